"""Tests for `claude_bridge.core.sizes`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.sizes import size


class SizeTests:
    """The size of a text."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("", 0), ("word", 4), ("\u00e9", 2), ("\u4e2d\u6587", 6), ("\U0001f600", 4), ("\ud800", 3)],
    )
    def test_bytes(self, text: str, expected: int) -> None:
        """A text counts as the bytes that are sent of it, whatever its letters."""
        assert size(text) == expected

    @given(st.lists(st.text()))
    def test_pieces(self, pieces: list[str]) -> None:
        """What is charged piece by piece is what the whole gives back."""
        assert sum(map(size, pieces)) == size("".join(pieces))
