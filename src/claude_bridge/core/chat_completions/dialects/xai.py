"""xAI (Grok): reasoning is counted separately, and reasoning models accept no stop sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.events import Usage

_BASE: Final = Traits(reasoning_echo="never", call_content="empty", schema="basic", drop=("stop",))
_LEVELS: Final = evolve(_BASE, reasoning_control="effort", reasoning_levels=("none", "low", "medium", "high"))


@frozen
class Xai(Hosted):
    """xAI's chat completions.

    Only models from 4.3 on accept an effort: grok-4.20 refuses each value, even ``none`` (AI SDK xai). Some answers
    send the same piece of reasoning twice in a row; that is not changed, as a model may write a word twice.
    There is no parser for Grok's own form of leaked calls.
    """

    name: ClassVar[str] = "xai"
    server: ClassVar[str] = "xAI's chat completions"
    notes: ClassVar[tuple[str, ...]] = (
        "counts reasoning as output and what came from the cache as input, as everybody else does",
    )
    hosts: ClassVar[tuple[str, ...]] = ("api.x.ai", ".api.x.ai")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"grok-3-mini", evolve(_BASE, reasoning_control="effort", reasoning_levels=("low", "high"), images="refuse")),
        (r"grok-3", evolve(_BASE, drop=(), images="refuse")),
        (r"grok-2", evolve(_BASE, drop=())),
        (r"grok-4\.20.*multi-agent", evolve(_LEVELS, reasoning_levels=("low", "medium", "high", "xhigh"))),
        (r"grok-4\.[67](?!\d)", evolve(_LEVELS, reasoning_levels=("none", "low", "medium", "high", "xhigh"))),
        (r"grok-(?:4\.[3-9](?!\d)|latest|[5-9])", _LEVELS),
        (r"grok-code", evolve(_BASE, images="refuse")),
    )

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Return usage with reasoning counted as output and cached tokens as input, as other servers do."""
        return finish_and_usage.usage(raw, counted_apart=True)
