"""Fireworks: one of two ways to ask for thinking, and no response format beside tools."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.traits import Traits

_BASE: Final = Traits(
    # "required" is spelt "any" here (LiteLLM 1.109)
    tool_choice="any",
    # `response_format` is refused beside tools, and an instruction works with and without them
    structured_output="instruction",
    top_k=True,
)
# Their reasoning history is "interleaved" or "preserved"; a space for missing reasoning does no harm.
_THINKS: Final = evolve(
    _BASE,
    reasoning_control="effort",
    reasoning_levels=("none", "low", "medium", "high"),
    reasoning_echo="tool_turns",
)


@frozen
class Fireworks(Hosted):
    """Fireworks' serverless models, whose names have ``p`` for the point: ``accounts/fireworks/models/kimi-k2p6``.

    ``thinking`` and ``reasoning_effort`` are refused together; only the effort is ever sent, and only to models that
    think. Levels as in the Fireworks guide to reasoning and in LiteLLM 1.109.
    """

    name: ClassVar[str] = "fireworks"
    server: ClassVar[str] = (
        "Fireworks' serverless models, whose names have `p` for the point: `accounts/fireworks/models/kimi-k2p6`"
    )
    hosts: ClassVar[tuple[str, ...]] = ("api.fireworks.ai", ".fireworks.ai")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"gpt-oss", evolve(_THINKS, reasoning_levels=("low", "medium", "high"), reasoning_echo="current_turn")),
        (r"kimi-k3", evolve(_THINKS, reasoning_levels=("low", "high", "max"))),
        (r"glm-5", evolve(_THINKS, reasoning_levels=("none", "high", "max"))),
        (r"deepseek-v4", evolve(_THINKS, reasoning_levels=("none", "low", "medium", "high", "xhigh"))),
        (r"deepseek-v3p|glm-4|kimi-k2p|kimi-k2-thinking|minimax-m|qwen3-\d+b|qwen3p|-thinking", _THINKS),
    )
    open_models: ClassVar[bool] = True
