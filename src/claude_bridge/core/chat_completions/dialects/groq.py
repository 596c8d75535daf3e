"""Groq: it separates reasoning from text only on request, and refuses unknown fields."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

# "Streaming and tool use are not currently supported with Structured Outputs", and this bridge always streams.
_BASE: Final = Traits(reasoning_echo="never", schema="basic", structured_output="instruction")
_REASONS: Final = evolve(_BASE, reasoning_control="effort", reasoning_field="reasoning", reasoning_echo="current_turn")


@frozen
class Groq(Hosted):
    """GroqCloud.

    Only reasoning models accept ``reasoning`` in the history: others answer "property 'reasoning' is unsupported", and
    all do so for ``reasoning_content``. Usage is under ``x_groq`` in the last chunk, which the reader handles.
    """

    name: ClassVar[str] = "groq"
    server: ClassVar[str] = "GroqCloud"
    notes: ClassVar[tuple[str, ...]] = ("asks for reasoning in its own field, which is the only way beside tools",)
    hosts: ClassVar[tuple[str, ...]] = ("api.groq.com",)
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"gpt-oss", evolve(_REASONS, reasoning_levels=("low", "medium", "high"), images="refuse")),
        (r"qwen3-32b|qwq", evolve(_REASONS, images="refuse")),
        (r"qwen|deepseek-r1", _REASONS),
        (r"llama-3|llama3|kimi-k2-|gemma2|compound", evolve(_BASE, images="refuse")),
    )
    # Groq answers most malformed calls with an error, yet Llama's tags do get through.
    open_models: ClassVar[bool] = True

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Ask for reasoning in its own field, which is the only format allowed beside tools.

        gpt-oss always does so and others "do not support" the field. Qwen's levels are ``none`` and ``default``; the
        latter is selected by leaving the field out.
        """
        super().shape(chat, extra, shaping)
        if shaping.traits.reasoning_control == "effort" and "gpt-oss" not in shaping.model.lower():
            extra["reasoning_format"] = "parsed"
            if chat.reasoning_effort != "none":
                chat.reasoning_effort = None
