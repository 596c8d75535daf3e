"""Tests for `claude_bridge.core.reasoning_levels`."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.reasoning_levels import nearest_level

DEEPSEEK: tuple[ReasoningLevel, ...] = ("low", "high", "max")
MISTRAL: tuple[ReasoningLevel, ...] = ("none", "high")


class NearestTests:
    """Levels of servers that have fewer."""

    @pytest.mark.parametrize(
        ("levels", "wanted", "expected"),
        [
            (get_args(ReasoningLevel), "medium", "medium"),
            (DEEPSEEK, "low", "low"),
            (DEEPSEEK, "medium", "high"),
            (DEEPSEEK, "xhigh", "max"),
            (DEEPSEEK, "none", "low"),
            (MISTRAL, "none", "none"),
            (MISTRAL, "low", "high"),
            (MISTRAL, "max", "high"),
            (("high", "low"), "medium", "high"),
            ((), "high", None),
        ],
    )
    def test_nearest(
        self, levels: tuple[ReasoningLevel, ...], wanted: ReasoningLevel, expected: ReasoningLevel | None
    ) -> None:
        """The nearest level at or above the wanted one is taken, else the highest; none may not be there to take."""
        assert nearest_level(wanted, levels) == expected

    @given(
        wanted=st.sampled_from(get_args(ReasoningLevel)),
        levels=st.lists(st.sampled_from(get_args(ReasoningLevel)), min_size=1),
    )
    def test_never_below_what_is_there(self, wanted: ReasoningLevel, levels: list[ReasoningLevel]) -> None:
        """A server gets one of its own words, and none only if the client wants that or nothing else is there."""
        found = nearest_level(wanted, levels)
        assert found in levels
        assert found != "none" or wanted == "none" or set(levels) == {"none"}
