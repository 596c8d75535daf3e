"""Tests for `claude_bridge.core.tool_results`."""

from __future__ import annotations

import pytest

from claude_bridge.core.conversation import Content, Image, Text
from claude_bridge.core.tool_results import NO_OUTPUT, mark_error, text_output

PICTURE = Image("data:image/png;base64,AA==")


class ErrorTests:
    """How the model sees that a tool failed."""

    @pytest.mark.parametrize(
        ("inside", "expected"),
        [
            ([Text("no such file")], [Text("[tool error] no such file")]),
            ([Text("<error>no</error>")], [Text("<error>no</error>")]),
            ([], [Text(f"[tool error] {NO_OUTPUT}")]),
            ([PICTURE], [Text("[tool error]"), PICTURE]),
        ],
    )
    def test_marked(self, inside: list[Content], expected: list[Content]) -> None:
        """By a prefix, unless the client has marked it."""
        mark_error(inside)
        assert inside == expected


class TextTests:
    """Results that are one text."""

    @pytest.mark.parametrize(
        ("inside", "expected"),
        [
            ([Text("a"), Text("b")], "a\nb"),
            ([Text("")], NO_OUTPUT),
            ([], NO_OUTPUT),
            ([Text("a"), PICTURE], None),
        ],
    )
    def test_joined(self, inside: list[Content], expected: str | None) -> None:
        """Texts are joined by lines; with an image among them there is no such text."""
        assert text_output(inside) == expected
