"""Tests for `claude_bridge.core.chat_completions.tool_parsers.kimi`.

The shapes are in SGLang's detector and in llama.cpp issue 17155.
Shapes from SGLang's detector and XGrammar pull request 806.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"


def k2_call(identifier: str, arguments: str = '{"city": "Tokyo"}') -> str:
    """Write one call."""
    return f"<|tool_call_begin|>{identifier}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"


TOKYO = ("get_weather", {"city": "Tokyo"})


class KimiK2Tests:
    """Calls in a section of special tokens."""

    def test_section(self) -> None:
        """All calls of a section are recovered, and its markers go."""
        text = f"I ask.{SECTION}{k2_call('functions.get_weather:0')}{k2_call('functions.get_weather:1')}{SECTION_END}"
        assert in_all_sizes(text) == ["I ask.", TOKYO, TOKYO]

    @pytest.mark.parametrize("identifier", ["functions.get_weather:12", "get_weather:0", "functions.get_weather"])
    @pytest.mark.parametrize("opening", [SECTION, "<|tool_call_section_begin|>", "", SECTION + "\n"])
    @pytest.mark.parametrize("closing", [SECTION_END, "<|tool_call_section_end|>", "", "\n" + SECTION_END])
    def test_variants(self, identifier: str, opening: str, closing: str) -> None:
        """The prefix and the number of the name, and the section's markers, may be missing or written otherwise."""
        assert in_all_sizes(opening + k2_call(identifier) + closing) == [TOKYO]

    def test_one_of_them_unknown(self) -> None:
        """An unknown tool's call stays text and costs its neighbours nothing."""
        unknown = k2_call("functions.search:1")
        text = f"{SECTION}{k2_call('functions.f:0', '{}')}\n{unknown}{k2_call('functions.f:2', '{}')}{SECTION_END}"
        assert in_all_sizes(text) == [("f", {}), f"\n{unknown}", ("f", {})]

    @pytest.mark.parametrize(
        "text",
        [
            SECTION,
            SECTION + SECTION_END,
            SECTION + k2_call("functions.search:0") + SECTION_END,
            SECTION + k2_call("functions.get_weather:0", "Tokyo") + SECTION_END,
            SECTION + k2_call("functions.get_weather:0", '{"city": }') + SECTION_END,
            SECTION + k2_call("functions.get_weather:0", '{"city": "Tokyo"} and') + SECTION_END,
            k2_call("functions.get_weather:0").removesuffix('"}<|tool_call_end|>'),
            "<|tool_call_begin|>" + "x" * 600,
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, broken or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")

    def test_cut_end(self) -> None:
        """A call whose last marker is cut off at the end of the answer is complete."""
        assert in_all_sizes(SECTION + k2_call("functions.get_weather:0").removesuffix("end|>")) == [TOKYO]


TOOLS, TOOLS_END = "<|open|>tools<|sep|>", "<|close|>tools<|sep|>"


def k3_argument(key: str, kind: str, value: str) -> str:
    """Write one argument."""
    return f'<|open|>argument key="{key}" type="{kind}"<|sep|>{value}<|close|>argument<|sep|>'


def k3_call(name: str, *parts: str) -> str:
    """Write one call."""
    return f'<|open|>call tool="{name}" index="1"<|sep|>{"".join(parts)}<|close|>call<|sep|>'


CITY = k3_argument("city", "string", "Rome")


class KimiK3Tests:
    """XTML."""

    def test_section(self) -> None:
        """All calls of a section are recovered; its markers and those of the message's end go."""
        end = "<|close|>message<|sep|><|end_of_msg|>"
        text = f"Sure.{TOOLS}{k3_call('get_weather', CITY)}{k3_call('f')}{TOOLS_END}{end}"
        assert in_all_sizes(text) == ["Sure.", ("get_weather", {"city": "Rome"}), ("f", {})]

    def test_types(self) -> None:
        """Strings are exact, everything else is JSON, as the tags say."""
        parts = [k3_argument("text", "string", '5\n"<b>'), k3_argument("days", "number", "1e2")]
        parts += [k3_argument("items", "array", "[1, null]"), k3_argument("odd", "number", "many")]
        expected = {"text": '5\n"<b>', "days": 100.0, "items": [1, None], "odd": "many"}
        assert in_all_sizes(TOOLS + k3_call("f", *parts) + TOOLS_END) == [("f", expected)]

    def test_escapes(self) -> None:
        """Attributes have two escapes, values none."""
        text = TOOLS + k3_call("f", k3_argument("a&amp;&quot;b", "string", "&amp;")) + TOOLS_END
        assert in_all_sizes(text) == [("f", {'a&"b': "&amp;"})]

    def test_json(self) -> None:
        """All arguments may come as one JSON object."""
        whole = '<|open|>json type="object"<|sep|>{"x": 1}<|close|>json<|sep|>'
        assert in_all_sizes(TOOLS + k3_call("f", whole) + TOOLS_END) == [("f", {"x": 1})]

    def test_indented(self) -> None:
        """Line breaks between the tags, as the documentation prints them, do no harm; the section may end early."""
        text = f"{TOOLS}\n  {k3_call('get_weather', chr(10), CITY, chr(10))}\n  {k3_call('f')}\n"
        assert in_all_sizes(text) == [("get_weather", {"city": "Rome"}), ("f", {})]

    @pytest.mark.parametrize(
        "text",
        [
            TOOLS,
            TOOLS + TOOLS_END,
            TOOLS + k3_call("search", CITY) + TOOLS_END,
            TOOLS + k3_call("get_weather", CITY).removesuffix("<|close|>call<|sep|>"),
            TOOLS + k3_call("get_weather", "prose") + TOOLS_END,
            TOOLS + k3_call("f", "<|open|>json<|sep|>[{}]<|close|>json<|sep|>"),
            TOOLS + k3_call("f", '<|open|>json<|sep|>{"a": 1} x<|close|>json<|sep|>'),
            '<|open|>call tool="f" index="1"<|sep|>',
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")
