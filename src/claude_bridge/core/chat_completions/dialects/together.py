"""Together AI: thinking is a switch for most models, a level for some."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

_BASE: Final = Traits(reasoning_field="reasoning", top_k=True)
_LEVELS: Final = evolve(_BASE, reasoning_control="effort")
# GLM-5.3 alone answers under the other name (Together's own documentation); models.dev has it for these, too.
_CONTENT: Final = evolve(_BASE, reasoning_field="reasoning_content")

_SWITCHED: Final = (
    r"deepseek-v3[.-]?[1-9]|deepseek-v4|glm-[45]|kimi-k2\.[56]|qwen3\.[5-9](?!.*max)"
    r"|minimax-m[3-9]|nemotron-[3-9]|cogito"
)
"""Models whose thinking is switched by ``reasoning: {enabled}`` (LiteLLM 1.109, models.dev)."""


@frozen
class Together(Hosted):
    """Together's chat completions: open models behind parsers of its own."""

    name: ClassVar[str] = "together"
    server: ClassVar[str] = "Together's chat completions: open models behind parsers of its own"
    notes: ClassVar[tuple[str, ...]] = ("switches thinking by `reasoning: {enabled}`, without a level where it is off",)
    hosts: ClassVar[tuple[str, ...]] = ("api.together.xyz", "api.together.ai")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"gpt-oss", evolve(_LEVELS, reasoning_levels=("low", "medium", "high"))),
        (r"kimi-k3", evolve(_LEVELS, reasoning_levels=("low", "high", "max"))),
        (
            r"deepseek-v4|glm-5\.2",
            evolve(_CONTENT, reasoning_control="effort", reasoning_levels=("none", "high", "max")),
        ),
        (r"glm-5\.[3-9]", evolve(_CONTENT, reasoning_control="effort", reasoning_levels=("low", "high", "max"))),
        (r"glm-5", _CONTENT),
    )
    open_models: ClassVar[bool] = True

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Switch thinking; no level goes beside the switch when it is off."""
        super().shape(chat, extra, shaping)
        if shaping.level is None or not re.search(_SWITCHED, shaping.model.lower()):
            return
        if shaping.traits.reasoning_control == "none":
            extra["reasoning"] = {"enabled": shaping.level != "none"}
        elif chat.reasoning_effort == "none":
            chat.reasoning_effort = None
            extra["reasoning"] = {"enabled": False}
