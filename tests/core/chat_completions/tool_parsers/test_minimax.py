"""Tests for `claude_bridge.core.chat_completions.tool_parsers.minimax`.

Shapes from SGLang's and vLLM's parsers and M2's chat template.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

M2 = (
    '<minimax:tool_call>\n<invoke name="f">\n<parameter name="text">5\n</parameter>\n'
    '<parameter name="count">5</parameter>\n</invoke>\n<invoke name="Bash">\n</invoke>\n</minimax:tool_call>'
)
M1 = '<tool_calls>\n{"name": "f", "arguments": {"a": 1}}\n{"name": "Bash", "arguments": {}}\n</tool_calls>'
BASH: tuple[str, dict[str, str]] = ("Bash", {})


class MinimaxTests:
    """Both generations."""

    def test_m2(self) -> None:
        """Strings are exact to their last line break, other values have their types."""
        expected = [("f", {"text": "5\n", "count": 5}), BASH]
        assert in_all_sizes(M2) == expected
        assert in_all_sizes(f"I look.\n{M2}\nSo") == ["I look.", *expected, "So"]

    def test_m1(self) -> None:
        """Each line is a call."""
        assert in_all_sizes(f"I look.\n{M1}\nSo") == ["I look.", ("f", {"a": 1}), BASH, "So"]
        assert in_all_sizes('<tool_calls>[{"name": "f"}]</tool_calls>') == [("f", {})]

    def test_m1_unknown(self) -> None:
        """A line that is no call of ours stays text."""
        unknown = '{"name": "search", "arguments": {}}'
        text = f'<tool_calls>\n{{"name": "f", "arguments": {{}}}}\n{unknown}\n</tool_calls>'
        assert in_all_sizes(text) == [("f", {}), f"\n{unknown}\n</tool_calls>"]

    @pytest.mark.parametrize(
        "text",
        [
            M2.replace('"f"', '"g"').replace("Bash", "Zsh"),
            M1.replace('"f"', '"g"').replace("Bash", "Zsh"),
            "<minimax:tool_call>",
            "<tool_calls>",
            "<tool_calls>\n</tool_calls>",
            '<tool_calls>\n{"name": "f"',
            "<tool_calls> are what I would write",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut or not a tool of this request stays text."""
        assert unchanged(text)
