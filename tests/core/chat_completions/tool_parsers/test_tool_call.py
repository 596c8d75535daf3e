"""Tests for `claude_bridge.core.chat_completions.tool_parsers.tool_call`."""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged


class ToolCallTests:
    """One tag, three syntaxes."""

    def test_three_in_one_answer(self) -> None:
        """Each is known by what follows the tag, with white space between or not."""
        calls = [
            '<tool_call> {"name": "f", "arguments": {}}</tool_call>',
            "<tool_call>\n\n<function=Bash></function></tool_call>",
            "<tool_call>\nWrite</tool_call>",
        ]
        assert in_all_sizes("\n".join(calls)) == [("f", {}), ("Bash", {}), ("Write", {})]

    @pytest.mark.parametrize("text", ["<tool_call>", "<tool_call>\n", "<tool_call></tool_call>", "<tool_call><b>"])
    def test_none_of_them(self, text: str) -> None:
        """A tag with nothing of a call behind it is text."""
        assert unchanged(text)
        assert unchanged(f"a {text} b")
