"""Tests for `claude_bridge.core.chat_completions.tool_parsers.markdown`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.tool_parsers.markdown import MarkdownState
from tests.core.strategies import cut, cuts, in_steps


def in_code(pieces: list[str]) -> bool:
    """Return whether a tag behind these pieces stands in code."""
    prose = MarkdownState()
    for piece in pieces:
        prose.advance(piece)
    return prose.code_before("<")


class ProseTests:
    """Markdown, as far as it decides what is code."""

    @pytest.mark.parametrize(
        "text",
        [
            "`",
            "See `",
            "See ``a ` ",
            "```\n",
            "```xml\n",
            "   ```\n a\n\n",
            "- a\n\n  ```\n",
            "````\n```\n",
            "```\na ``` b\n",
            "```md\n```py\n```\n",
            "a `b` `",
            "```\na\n```\n```\n",
        ],
    )
    def test_code(self, text: str) -> None:
        """What stands behind an open backtick or an open fence is code."""
        assert in_code([text])
        assert in_code(in_steps(text, 1))

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a",
            "`a` ",
            "``a ` b`` ",
            "a ` b\n",
            "```\na\n```\n",
            "```\na\n```",
            "```\na\n````\n",
            "````md\n```\n````\n",
            "```md\n```py\n```\n```\n",
            "```a``` b",
            "a ```b\n",
            "```a``` b\n",
        ],
    )
    def test_text(self, text: str) -> None:
        """What was closed is over, inline code with its line at the latest."""
        assert not in_code([text])
        assert not in_code(in_steps(text, 1))

    @given(st.text("`\n a", max_size=40), st.data())
    def test_any_cut(self, text: str, data: st.DataObject) -> None:
        """Where the text is cut changes nothing."""
        assert in_code(cut(text, data.draw(cuts(len(text))))) == in_code([text])

    def test_settled(self) -> None:
        """In the middle of a line nothing is open that plain text could change."""
        prose = MarkdownState()
        assert not prose.is_mid_line
        prose.advance("  ")
        assert not prose.is_mid_line
        prose.advance("a")
        assert prose.is_mid_line
        prose.advance("`")
        assert not prose.is_mid_line
        prose.advance("b")
        assert prose.is_mid_line
        prose.advance("\n")
        assert not prose.is_mid_line

    def test_fenced(self) -> None:
        """A fence is told from inline code."""
        prose = MarkdownState()
        prose.advance("a `b")
        assert not prose.fenced
        prose.advance("\n```\n")
        assert prose.fenced
