"""Tests for `claude_bridge.core.chat_completions.tool_parsers.llama`.

Shapes from Meta's prompt format and SGLang's detector for Llama 3.2.
Shapes from Meta's prompt format and vLLM's tests of its parser.
"""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.tool_parsers.llama import MAX_LIST_CHARACTERS
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


class PythonicTests:
    """A list of Python calls that is the whole answer."""

    def test_shapes(self) -> None:
        """One call or several, with literal values of all kinds, white space around them or not."""
        text = (
            "[get_weather(city='San Francisco', metric=\"celsius\"), f(a=-1.5, b=[True, None], c={'d': (1, 2)}), f()]"
        )
        expected = [
            ("get_weather", {"city": "San Francisco", "metric": "celsius"}),
            ("f", {"a": -1.5, "b": [True, None], "c": {"d": [1, 2]}}),
            ("f", {}),
        ]
        assert in_all_sizes(text) == expected
        assert in_all_sizes(f"\n\n{text}\n") == expected

    def test_strings(self) -> None:
        """Escapes are Python's, and an unknown one is no reason to complain."""
        assert in_all_sizes(r"[f(a='it\'s', b=r'\d', c='\d', d='\n')]") == [
            ("f", {"a": "it's", "b": "\\d", "c": "\\d", "d": "\n"})
        ]

    @pytest.mark.parametrize(
        "text",
        [
            '[get_weather(city="Paris")] is what I would call',
            'I call [get_weather(city="Paris")]',
            '[get_weather(city="Paris"), search(query="x")]',
            '[get_weather(city="Paris")',
            '[get_weather("Paris")]',
            '[get_weather(city="Paris", city="Rome")]',
            "[get_weather(**{})]",
            "[get_weather(city=Paris)]",
            "[get_weather(city=open('x').read())]",
            "[get_weather(city=1 if 2 else 3)]",
            "[f(a={1: 2})]",
            "[f(a=b'x')]",
            "[f(a={1, 2})]",
            "[f(a=1e999)]",
            "[f(a='\x00')]",
            "[f(a=1), 2]",
            "[f(a=1)][0]",
            "[f(a=1)] + [f(a=2)]",
            "[f] and more",
            "[search(query='x')]",
            "[link](https://example.org)",
            "[ ] to do",
            "[",
            "[f(",
            "[f(a=" + "-" * 30_000 + "1)]",
            "[f(a=" + "[" * 1000 + "]" * 1000 + ")]",
            "[f(a='" + "x" * MAX_LIST_CHARACTERS + "')]",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """Whatever is more, less or other than such a list stays text, and nothing of it is ever run."""
        assert unchanged(text)
