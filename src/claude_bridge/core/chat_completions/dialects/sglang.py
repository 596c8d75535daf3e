"""SGLang: reasoning under ``reasoning_content``, flat errors, a chunk of its own for the finish reason."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Clues, TokenizerEndpoint
from claude_bridge.core.chat_completions.dialects.templated import Templated
from claude_bridge.core.chat_completions.traits import Traits

_TOO_LONG: Final = re.compile(
    r"(?:The input \(\d{1,12} tokens\) is longer than|Requested token count exceeds) the model's "
)


@frozen
class Sglang(Templated):
    """SGLang 0.5.23 (docs/servers.md 1.2).

    ``separate_reasoning`` and ``stream_reasoning`` are on by default there. The ``max_model_len`` of its ``/tokenize``
    is the tokenizer's, not the served one: the window comes from the model list.
    """

    name: ClassVar[str] = "sglang"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "SGLang 0.5.23"
    known_by: ClassVar[str] = "the owner of its models, or its words for an overflow"
    tokenizer: ClassVar[TokenizerEndpoint | None] = TokenizerEndpoint(
        path="/tokenize",
        key="count",
        fields=("model", "messages", "tools", "chat_template_kwargs", "continue_final_message"),
    )
    default_traits: ClassVar[Traits] = evolve(Templated.default_traits, stream_options="continuous")

    def recognised(self, clues: Clues) -> str:
        """Return the owner of its models, or its words for an overflow, as the clue, or "".

        Its flat errors alone are no clue: Mistral and old versions of vLLM have the same.
        """
        return clues.only_owner("sglang") or _known_error(clues.error) or super().recognised(clues)


def _known_error(body: object) -> str:
    """Return the clue if the message begins with an overflow; the rest of it may quote the prompt."""
    if not isinstance(body, dict) or body.get("object") != "error":
        return ""
    message = body.get("message")
    return "its words for an overflow" if isinstance(message, str) and _TOO_LONG.match(message) else ""
