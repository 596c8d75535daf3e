"""Tests for `claude_bridge.core.chat_completions.tool_parsers.llama`.

Shapes from Meta's prompt format and SGLang's detector for Llama 3.2.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

ONE = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
TWO = '{"type": "function", "function": {"name": "Bash", "parameters": {"command": "ls; echo"}}}'
PARIS = ("get_weather", {"city": "Paris"})
LS = ("Bash", {"command": "ls; echo"})


class LlamaTests:
    """JSON behind ``<|python_tag|>``."""

    @pytest.mark.parametrize("end", ["", "<|eom_id|>", "<|eot_id|>"])
    def test_shapes(self, end: str) -> None:
        """One call, or several between semicolons, with the end of the turn or without."""
        assert in_all_sizes(f"<|python_tag|>{ONE}{end}") == [PARIS]
        assert in_all_sizes(f"Sure.\n<|python_tag|>{ONE}; {TWO};{ONE}{end}") == ["Sure.", PARIS, LS, PARIS]

    def test_text_behind(self) -> None:
        """Text behind a call stays, a lone semicolon with it."""
        assert in_all_sizes(f"<|python_tag|>{ONE}\nSo") == [PARIS, "So"]
        assert in_all_sizes(f"<|python_tag|>{ONE}; so") == [PARIS, "; so"]

    @pytest.mark.parametrize(
        "text",
        [
            "<|python_tag|>",
            '<|python_tag|>brave_search.call(query="weather")',
            '<|python_tag|>{"name": "search", "parameters": {}}',
            "<|python_tag|>" + ONE[:-1],
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, built in, or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")
