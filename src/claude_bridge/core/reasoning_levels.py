"""The order of the levels of reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from claude_bridge.core.conversation import ReasoningLevel

_ORDER: Final[tuple[ReasoningLevel, ...]] = get_args(ReasoningLevel)


def nearest_level(wanted_level: ReasoningLevel, levels: Sequence[ReasoningLevel]) -> ReasoningLevel | None:
    """Return the lowest level at or above the wanted one, else the highest; None if there are no levels.

    A server without the level ``none`` cannot switch reasoning off: it gets its lowest level.
    """
    known = sorted(levels, key=_ORDER.index)
    wanted_index = _ORDER.index(wanted_level)
    return next((each for each in known if _ORDER.index(each) >= wanted_index), known[-1] if known else None)
