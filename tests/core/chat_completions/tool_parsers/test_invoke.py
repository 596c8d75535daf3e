"""Tests for `claude_bridge.core.chat_completions.tool_parsers.invoke`, by way of a family that uses it plainly."""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged


def block(inner: str) -> str:
    """Write a block with this inside."""
    return f"<minimax:tool_call>{inner}</minimax:tool_call>"


class InvokesTests:
    """``invoke`` and ``parameter``."""

    def test_told_and_not_told(self) -> None:
        """A tag that says whether it is a string is believed, else the schema is."""
        inner = (
            '<invoke name="f"><parameter name="count" string="true">5</parameter>'
            '<parameter name="text" string="false">5</parameter><parameter name="flag">true</parameter></invoke>'
        )
        assert in_all_sizes(block(inner)) == [("f", {"count": "5", "text": 5, "flag": True})]

    def test_tags_inside_values(self) -> None:
        """A value may hold the tags that would end it."""
        value = "<parameter name=</parameter> ,\n</invoke>"
        inner = f'<invoke name="f"><parameter name="text">{value}</parameter></invoke>'
        assert in_all_sizes(block(inner)) == [("f", {"text": value})]

    @pytest.mark.parametrize(
        "inner",
        [
            '<invoke name="f">{"a": 1} x</invoke>',
            '<invoke name="f"><parameter name="a" type="b">1</parameter></invoke>',
            '<invoke name="f"><parameter name="a">1</invoke>',
            "<invoke>",
        ],
    )
    def test_near_misses(self, inner: str) -> None:
        """What is malformed stays text."""
        assert unchanged(block(inner))
