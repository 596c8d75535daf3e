"""Tests for `claude_bridge.core.web_search.snippets`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.web_search.snippets import MAX_SNIPPET_BYTES, PREFIX, opened, sealed


class SnippetTests:
    """What a search found, on its way to the client and back."""

    @given(st.text(st.characters(codec="utf-8")))
    def test_round_trip(self, text: str) -> None:
        """A client gets an opaque ASCII string, and the same text is there again when it comes back."""
        assert opened(sealed(text)) == text
        assert sealed(text).isascii()

    @pytest.mark.parametrize(
        "foreign",
        [
            "",
            "EqgfCioIARgBIiQ",
            PREFIX,
            f"{PREFIX}*",
            f"{PREFIX}é",
            f"{PREFIX}_w",
            PREFIX + "A" * MAX_SNIPPET_BYTES,
            None,
            7,
            ["x"],
        ],
    )
    def test_foreign(self, foreign: object) -> None:
        """What is not ours is nothing, never an error."""
        assert opened(foreign) == ""

    def test_half_a_character(self) -> None:
        """Text that UTF-8 cannot carry does no harm."""
        assert opened(sealed("a\ud800")) == "a?"
