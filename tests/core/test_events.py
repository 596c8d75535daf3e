"""Tests for `claude_bridge.core.events`."""

from __future__ import annotations

import pytest

from claude_bridge.core.events import MAX_TOKEN_COUNT, Finished, FinishReason, TextDelta, Usage, token_count


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


class TokenCountTests:
    """What a backend gives as a number of tokens."""

    @pytest.mark.parametrize(
        ("value", "count"), [(0, 0), (17, 17), (1.7e3, 1700), (2.5, 2), (MAX_TOKEN_COUNT, MAX_TOKEN_COUNT)]
    )
    def test_counts(self, value: object, count: int) -> None:
        """A number is one, be it written with a point."""
        assert token_count(value) == count

    @pytest.mark.parametrize(
        "value", [None, True, "17", [], -1, -0.5, MAX_TOKEN_COUNT + 1, 10**400, float("inf"), float("nan")]
    )
    def test_none(self, value: object) -> None:
        """Nothing else is, and no number with which nobody can calculate."""
        assert token_count(value) is None
