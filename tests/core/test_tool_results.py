"""Tests for `claude_bridge.core.tool_results`."""

from __future__ import annotations

import pytest

from claude_bridge.core.conversation import Content, Document, Image, Text, ToolResult
from claude_bridge.core.media_parts import Media
from claude_bridge.core.tool_results import NO_OUTPUT, ResultContents, mark_error, text_output

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


class SplitTests:
    """What a result can contain, and what has to stand beside it."""

    PAPER = Document("a.pdf", "data:application/pdf;base64,AA==")

    def test_nothing_inside(self) -> None:
        """Images and documents that cannot be inside are labelled, in the order of the whole turn."""
        contents = ResultContents(Media("yes", "file", {}))
        result = ToolResult("c", [Text("see"), PICTURE, self.PAPER], is_error=False)

        assert contents.split(result) == (
            [Text("see"), Text("[image 1]"), Text("[document 2]")],
            [
                Text("[image 1] of the tool result above:"),
                PICTURE,
                Text("[document 2] of the tool result above:"),
                self.PAPER,
            ],
        )
        contents.restart()
        assert contents.split(ToolResult("d", [PICTURE], is_error=False))[0] == [Text("[image 1]")]

    def test_all_inside(self) -> None:
        """A backend that takes both gets both where they were."""
        contents = ResultContents(Media("yes", "file", {}), images=True, documents=True)
        result = ToolResult("c", [PICTURE, self.PAPER], is_error=True)

        assert contents.split(result) == ([Text("[tool error]"), PICTURE, self.PAPER], [])
        assert contents.split(result, images=False)[1] == [Text("[image 1] of the tool result above:"), PICTURE]
