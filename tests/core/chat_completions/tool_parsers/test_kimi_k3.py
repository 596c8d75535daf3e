"""Tests for `claude_bridge.core.chat_completions.tool_parsers.kimi_k3`.

Shapes from SGLang's detector and XGrammar pull request 806.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

TOOLS, TOOLS_END = "<|open|>tools<|sep|>", "<|close|>tools<|sep|>"


def argument(key: str, kind: str, value: str) -> str:
    """Write one argument."""
    return f'<|open|>argument key="{key}" type="{kind}"<|sep|>{value}<|close|>argument<|sep|>'


def call(name: str, *parts: str) -> str:
    """Write one call."""
    return f'<|open|>call tool="{name}" index="1"<|sep|>{"".join(parts)}<|close|>call<|sep|>'


CITY = argument("city", "string", "Rome")


class KimiK3Tests:
    """XTML."""

    def test_section(self) -> None:
        """All calls of a section are recovered; its markers and those of the message's end go."""
        end = "<|close|>message<|sep|><|end_of_msg|>"
        text = f"Sure.{TOOLS}{call('get_weather', CITY)}{call('f')}{TOOLS_END}{end}"
        assert in_all_sizes(text) == ["Sure.", ("get_weather", {"city": "Rome"}), ("f", {})]

    def test_types(self) -> None:
        """Strings are exact, everything else is JSON, as the tags say."""
        parts = [argument("text", "string", '5\n"<b>'), argument("days", "number", "1e2")]
        parts += [argument("items", "array", "[1, null]"), argument("odd", "number", "many")]
        expected = {"text": '5\n"<b>', "days": 100.0, "items": [1, None], "odd": "many"}
        assert in_all_sizes(TOOLS + call("f", *parts) + TOOLS_END) == [("f", expected)]

    def test_escapes(self) -> None:
        """Attributes have two escapes, values none."""
        text = TOOLS + call("f", argument("a&amp;&quot;b", "string", "&amp;")) + TOOLS_END
        assert in_all_sizes(text) == [("f", {'a&"b': "&amp;"})]

    def test_json(self) -> None:
        """All arguments may come as one JSON object."""
        whole = '<|open|>json type="object"<|sep|>{"x": 1}<|close|>json<|sep|>'
        assert in_all_sizes(TOOLS + call("f", whole) + TOOLS_END) == [("f", {"x": 1})]

    def test_indented(self) -> None:
        """Line breaks between the tags, as the documentation prints them, do no harm; the section may end early."""
        text = f"{TOOLS}\n  {call('get_weather', chr(10), CITY, chr(10))}\n  {call('f')}\n"
        assert in_all_sizes(text) == [("get_weather", {"city": "Rome"}), ("f", {})]

    @pytest.mark.parametrize(
        "text",
        [
            TOOLS,
            TOOLS + TOOLS_END,
            TOOLS + call("search", CITY) + TOOLS_END,
            TOOLS + call("get_weather", CITY).removesuffix("<|close|>call<|sep|>"),
            TOOLS + call("get_weather", "prose") + TOOLS_END,
            TOOLS + call("f", "<|open|>json<|sep|>[{}]<|close|>json<|sep|>"),
            TOOLS + call("f", '<|open|>json<|sep|>{"a": 1} x<|close|>json<|sep|>'),
            '<|open|>call tool="f" index="1"<|sep|>',
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")
