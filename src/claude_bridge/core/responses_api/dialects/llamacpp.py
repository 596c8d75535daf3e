"""llama.cpp's server, which turns a request into a chat completion inside and loses some of it on the way."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import frozen

from claude_bridge.core.backend_api import Clues, TokenizerEndpoint
from claude_bridge.core.responses_api.dialect import COUNTER, Generic
from claude_bridge.core.responses_api.traits import Traits

_SERVER: Final = re.compile(r"llama\.cpp\b")


@frozen
class LlamaCpp(Generic):
    """llama.cpp's own server, build 11549 (docs/responses-api.md 3.2).

    It knows no choice of a tool by its name, and ignores the format of the answer.
    """

    name: ClassVar[str] = "llamacpp"
    server: ClassVar[str] = "llama.cpp's own server, build 11549"
    known_by: ClassVar[str] = "the owner of its models or its `Server` header"
    speaks_for_itself: ClassVar[bool] = True
    tokenizer: ClassVar[TokenizerEndpoint | None] = COUNTER
    default_traits: ClassVar[Traits] = Traits(
        encrypted_reasoning=False, prompt_cache_key=False, tool_choice="required", structured_output="instruction"
    )

    def recognised(self, clues: Clues) -> str:
        """Return its ``Server`` header or the owner of its models as the clue, or ""."""
        if _SERVER.match(clues.headers.get("server", "")):
            return "header Server: llama.cpp"
        return clues.only_owner("llamacpp") or super().recognised(clues)
