"""Tests for `claude_bridge.core.tool_names`."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.conversation import Text, ToolNotice, ToolResult, Turn
from claude_bridge.core.tool_names import upstream_name, with_notices_as_text


class NameTests:
    """Names that a backend may not accept."""

    def test_different_names_stay_different(self) -> None:
        """Two long names that begin alike do not become one."""
        assert upstream_name("a" * 70 + "b") != upstream_name("a" * 70 + "c")
        assert upstream_name("a.b") != upstream_name("a:b")

    @given(st.text())
    def test_any_name(self, name: str) -> None:
        """Whatever the name, its legal form is legal and always the same, and a legal form is its own."""
        legal = upstream_name(name)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", legal)
        assert upstream_name(name) == upstream_name(legal) == legal


class NoticeTests:
    """Notices about tools become text with the names that the model can call."""

    def test_wherever_they_stand(self) -> None:
        """Inside a result and beside it."""
        notice = ToolNotice("a.b", available=True)
        turn = Turn("user", [ToolResult("c", [notice, Text("x")], is_error=False), notice])

        words = Text(f"Tool {upstream_name('a.b')} is available now.")
        assert with_notices_as_text(turn) == Turn("user", [ToolResult("c", [words, Text("x")], is_error=False), words])
