"""Moonshot (Kimi): each family thinks in its own way, and past thinking must be sent back with calls."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted, forces_a_tool
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

# Not all models accept "required"; the API ignores unknown fields, `parallel_tool_calls` among them.
_BASE: Final = Traits(
    reasoning_echo="never",
    tool_choice="auto",
    parallel_tool_calls=False,
    schema="moonshot",
    prefill="partial",
    structured_output="json_object",
    recover_tool_calls=True,
)
# Any temperature but the family's default is refused.
_THINKS: Final = evolve(_BASE, reasoning_echo="tool_turns", drop=("temperature", "top_p"))
_KEEPS: Final = evolve(_THINKS, reasoning_echo="all_turns")

_KEEPING: Final = r"k2\.[67]"
"""Families that accept ``thinking.keep``: K2.5 refuses it with a 400 (AI SDK moonshotai, tried on the live API); K3 has
no ``thinking`` field and always keeps past thinking."""


@frozen
class Moonshot(Hosted):
    """Moonshot's own API, and that of its coding plan.

    Thinking models refuse an assistant message with calls and without ``reasoning_content``; a space is enough (LiteLLM
    1.109). Usage may be in the choice, and ``cached_tokens`` at its top level; both are read for all servers.
    """

    name: ClassVar[str] = "moonshot"
    server: ClassVar[str] = "Moonshot's own API, and that of its plan for coding"
    notes: ClassVar[tuple[str, ...]] = (
        "keeps past thinking where it can be kept",
        "turns thinking off where a tool is forced: both together are refused",
    )
    hosts: ClassVar[tuple[str, ...]] = ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com")
    default_traits: ClassVar[Traits] = _THINKS
    families: ClassVar[Families] = (
        (r"vision", evolve(_BASE, recover_tool_calls=False)),
        (r"moonshot-v1", evolve(_BASE, images="refuse", recover_tool_calls=False)),
        (r"k2\.[56]", evolve(_THINKS, reasoning_control="thinking_type", tool_choice="named")),
        (r"k2\.7", _KEEPS),
        (r"k[3-9]", evolve(_KEEPS, reasoning_control="effort", reasoning_levels=("low", "high", "max"))),
        (r"k2-thinking", evolve(_THINKS, images="refuse")),
        (r"k2(?:-|$)", evolve(_BASE, images="refuse")),
    )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Keep past thinking where possible, and turn thinking off if a tool is forced: both together are refused."""
        super().shape(chat, extra, shaping)
        thinking = extra.get("thinking")
        switched = thinking if isinstance(thinking, dict) else {"type": "enabled"}
        if shaping.traits.reasoning_control == "thinking_type" and forces_a_tool(chat):
            extra["thinking"] = {"type": "disabled"}
        elif re.search(_KEEPING, shaping.model.lower()) and switched["type"] == "enabled":
            extra["thinking"] = {**switched, "keep": "all"}
