"""Tests for `claude_bridge.core.chat_completions.tool_parsers.dsml`.

Shapes from SGLang's detectors and the encoding beside DeepSeek V4.
"""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.tool_parsers.dsml import PREFIXES
from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged


def block(opening: str, *calls: str) -> str:
    """Write a block of calls."""
    return "\n".join([opening, *calls, f"</{opening[1:]}"])


def call(prefix: str, name: str, *parameters: str) -> str:
    """Write one call."""
    return "\n".join([f'<{prefix}invoke name="{name}">', *parameters, f"</{prefix}invoke>"])


def parameter(prefix: str, key: str, string: bool, value: str) -> str:
    """Write one parameter."""
    return f'<{prefix}parameter name="{key}" string="{str(string).lower()}">{value}</{prefix}parameter>'


@pytest.mark.parametrize(("opening", "prefix"), sorted(PREFIXES.items()))
class DsmlTests:
    """DeepSeek's markup language, in all the ways its tags are written."""

    def test_parameters(self, opening: str, prefix: str) -> None:
        """The tags say what is a string, which is exact, and what is JSON."""
        values = [parameter(prefix, "text", True, "5\n"), parameter(prefix, "limit", False, "3")]
        values += [parameter(prefix, "list", False, '["a"]'), parameter(prefix, "odd", False, "many")]
        text = block(opening, call(prefix, "f", *values), call(prefix, "Bash"))
        expected = [("f", {"text": "5\n", "limit": 3, "list": ["a"], "odd": "many"}), ("Bash", {})]
        assert in_all_sizes(text) == expected
        assert in_all_sizes(f"I look.\n\n{text}\n\n") == ["I look.", *expected]

    def test_json(self, opening: str, prefix: str) -> None:
        """A JSON object may stand in place of the parameters."""
        assert in_all_sizes(block(opening, call(prefix, "f", '{\n "a": 1\n}'))) == [("f", {"a": 1})]

    def test_cut(self, opening: str, prefix: str) -> None:
        """Complete calls of a block that was cut are recovered; the call that was cut is text."""
        whole, cut = call(prefix, "f"), f'<{prefix}invoke name="Bash">\n<{prefix}parameter name="co'
        assert in_all_sizes(f"{opening}\n{whole}\n{cut}") == [("f", {}), f"\n{cut}"]

    def test_near_misses(self, opening: str, prefix: str) -> None:
        """What is malformed or not a tool of this request stays text."""
        assert unchanged(opening)
        assert unchanged(block(opening))
        assert unchanged(block(opening, call(prefix, "search", parameter(prefix, "q", True, "x"))))
        assert unchanged(block(opening, f'<{prefix}invoke name="f" id="1">'))
        assert unchanged(block(opening, call(prefix, "f", "prose")))
