"""Tests for `claude_bridge.core.chat_completions.tool_parsers.syntaxes`."""

from __future__ import annotations

from itertools import permutations

import pytest

from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES
from tests.core.chat_completions.tool_parsers.scanning import unchanged


class SyntaxesTests:
    """The table of markers."""

    def test_no_prefixes(self) -> None:
        """No marker begins with another, so that the first one that is complete is the right one."""
        assert not [pair for pair in permutations(SYNTAXES, 2) if pair[0].startswith(pair[1])]

    @pytest.mark.parametrize("marker", SYNTAXES)
    def test_marker_alone(self, marker: str) -> None:
        """A marker that is only talked about stays text, in whole and in part, in code or not."""
        for text in (
            marker,
            marker[:-1],
            f"The marker {marker} opens a call.\n",
            f"`{marker}`\n\n",
            f"{marker}\n{marker}",
        ):
            assert unchanged(text)
