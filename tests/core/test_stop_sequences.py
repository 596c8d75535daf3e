"""Tests for `claude_bridge.core.stop_sequences`."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.stop_sequences import MAX_CHARACTERS, MAX_SEQUENCES, StopSequences, usable


def passed(deltas: list[str], *sequences: str) -> tuple[str, str | None]:
    """Return the text that comes through, and the sequence at which it ended."""
    stops = StopSequences(sequences)
    text = "".join([stops.add(delta) for delta in deltas])
    return text + stops.end(), stops.matched


class MatchTests:
    """Where a text ends."""

    @pytest.mark.parametrize(
        ("deltas", "sequences", "expected"),
        [
            (["<severity>high</sev", "erity> and so on"], ["</severity>"], ("<severity>high", "</severity>")),
            (["a<b", "c"], ["<bd"], ("a<bc", None)),
            (["aab"], ["ab"], ("a", "ab")),
            (["x END y STOP"], ["STOP", "END"], ("x ", "END")),
            (["ab"], ["a", "ab"], ("", "a")),
            (["baa"], ["a", "baa"], ("b", "a")),
            (["ends in <"], ["<<"], ("ends in <", None)),
        ],
    )
    def test_ends(self, deltas: list[str], sequences: list[str], expected: tuple[str, str | None]) -> None:
        """In front of the sequence that is complete first, however it is divided."""
        assert passed(deltas, *sequences) == expected

    @given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.data())
    def test_any_split(self, text: str, sequences: list[str], data: st.DataObject) -> None:
        """Deltas say the same as the whole text."""
        places = sorted({0, *data.draw(st.lists(st.integers(0, len(text)), max_size=5)), len(text)})
        deltas = [text[start:end] for start, end in pairwise(places)]
        assert passed(deltas, *sequences) == passed([text], *sequences)

    def test_nothing_after_it(self) -> None:
        """What follows a sequence is dropped."""
        stops = StopSequences(("x",))
        assert (stops.add("ax"), stops.add("more"), stops.end()) == ("a", "", "")


class UsableTests:
    """Which sequences are looked for."""

    def test_bounded(self) -> None:
        """Not empty ones, not long ones, and not too many."""
        assert usable(["", "x", "y" * (MAX_CHARACTERS + 1)]) == ("x",)
        assert len(usable(map(str, range(100)))) == MAX_SEQUENCES
