"""llama.cpp's server: prompt progress on request, exact counts, no choice of a tool by its name."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Clues, TokenizerEndpoint
from claude_bridge.core.chat_completions.dialect import Generic, Shaping
from claude_bridge.core.chat_completions.dialects import open_models
from claude_bridge.core.chat_completions.dialects.templated import LEVELS, effort_beside_switch
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

_BUILD: Final = re.compile(r"b\d{1,9}-(?:[0-9a-f]{6,40}|unknown)")
_COUNTED: Final = ("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "chat_template_kwargs")


@frozen
class LlamaCpp(Generic):
    """llama.cpp's own server, build 11549 (docs/servers.md 1.3).

    It caches prefixes of prompts by default. ``enable_thinking`` is the switch for all models: the server passes it to
    each template under the template's own name.
    """

    name: ClassVar[str] = "llamacpp"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "llama.cpp's own server, build 11549"
    known_by: ClassVar[str] = "the owner of its models, its `Server` header, its build number or its errors"
    notes: ClassVar[tuple[str, ...]] = (
        "asks for progress while the prompt is read",
        "sends the level beside the switch, for templates that know levels (gpt-oss)",
    )
    tokenizer: ClassVar[TokenizerEndpoint | None] = TokenizerEndpoint(
        path="chat/completions/input_tokens", key="input_tokens", fields=_COUNTED
    )
    default_traits: ClassVar[Traits] = Traits(
        reasoning_control="template_budget", reasoning_levels=LEVELS, tool_choice="required", top_k=True
    )

    def recognised(self, clues: Clues) -> str:
        """Return its ``Server`` header, its build number, the owner of its models or its error as the clue, or ""."""
        if clues.headers.get("server") == "llama.cpp":
            return "header Server: llama.cpp"
        if _BUILD.fullmatch(clues.fingerprint):
            return f"system_fingerprint {clues.fingerprint}"
        return clues.only_owner("llamacpp") or _known_error(clues.error) or super().recognised(clues)

    def traits(self, model: str) -> Traits:
        """Return the traits, with recovery of calls for families that are known to write them as text."""
        return (
            evolve(self.default_traits, recover_tool_calls=True)
            if open_models.writes_calls(model)
            else self.default_traits
        )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Ask for prompt progress, and pass the level to templates that know levels (gpt-oss)."""
        super().shape(chat, extra, shaping)
        if chat.stream:
            extra["return_progress"] = True
        variables, word = (
            extra.get("chat_template_kwargs"),
            effort_beside_switch(shaping.level, shaping.traits.reasoning_levels),
        )
        if word is not None and isinstance(variables, dict):
            extra["chat_template_kwargs"] = {**variables, "reasoning_effort": word}


def _known_error(body: object) -> str:
    """Return the clue if the error is an overflow with numbers; Ollama and others pass on the words without them."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or error.get("type") != "exceed_context_size_error":
        return ""
    return "an error of type exceed_context_size_error" if isinstance(error.get("n_ctx"), int) else ""
