"""Tests for `claude_bridge.core.events`."""

from __future__ import annotations

import pytest

from claude_bridge.core.events import Finished, FinishReason, TextDelta, Usage


class EventTests:
    """Values that are made for each delta of a stream."""

    def test_small(self) -> None:
        """An event holds what it says and nothing else: there are many."""
        with pytest.raises(AttributeError):
            TextDelta("a").more = 1  # type: ignore[attr-defined]

    def test_equal_by_value(self) -> None:
        """Two answers can be compared; what the backend said word for word is for the books alone."""
        assert Usage(1, 2, raw={"a": 1}) == Usage(1, 2)
        assert Finished(FinishReason.STOPPED, None, Usage(1)) != Finished(FinishReason.STOPPED)

    def test_prompt(self) -> None:
        """The three input counts are one prompt."""
        assert Usage(1, 50, cache_read_tokens=20, cache_write_tokens=300).prompt_tokens == 321
