"""Tests for `claude_bridge.core.conversation`."""

from __future__ import annotations

from claude_bridge.core.conversation import (
    Content,
    Piece,
    State,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    text_of,
)


class TextOfTests:
    """Pieces as text."""

    def test_total(self) -> None:
        """Every piece can be said as text."""
        part: Content = Text("a")
        pieces: list[Piece] = [part, Summary("b"), ToolResult("c", [part], is_error=False), ToolCall("d", "e", "{}")]
        assert [text_of(piece) for piece in pieces] == ["a", "b", "[result of call c]\na", "[call of e] {}"]
        assert text_of(State("cb1.x")) == ""
