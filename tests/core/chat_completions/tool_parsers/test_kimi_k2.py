"""Tests for `claude_bridge.core.chat_completions.tool_parsers.kimi_k2`.

The shapes are in SGLang's detector and in llama.cpp issue 17155.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"


def call(identifier: str, arguments: str = '{"city": "Tokyo"}') -> str:
    """Write one call."""
    return f"<|tool_call_begin|>{identifier}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"


TOKYO = ("get_weather", {"city": "Tokyo"})


class KimiK2Tests:
    """Calls in a section of special tokens."""

    def test_section(self) -> None:
        """All calls of a section are recovered, and its markers go."""
        text = f"I ask.{SECTION}{call('functions.get_weather:0')}{call('functions.get_weather:1')}{SECTION_END}"
        assert in_all_sizes(text) == ["I ask.", TOKYO, TOKYO]

    @pytest.mark.parametrize("identifier", ["functions.get_weather:12", "get_weather:0", "functions.get_weather"])
    @pytest.mark.parametrize("opening", [SECTION, "<|tool_call_section_begin|>", "", SECTION + "\n"])
    @pytest.mark.parametrize("closing", [SECTION_END, "<|tool_call_section_end|>", "", "\n" + SECTION_END])
    def test_variants(self, identifier: str, opening: str, closing: str) -> None:
        """The prefix and the number of the name, and the section's markers, may be missing or written otherwise."""
        assert in_all_sizes(opening + call(identifier) + closing) == [TOKYO]

    def test_one_of_them_unknown(self) -> None:
        """An unknown tool's call stays text and costs its neighbours nothing."""
        unknown = call("functions.search:1")
        text = f"{SECTION}{call('functions.f:0', '{}')}\n{unknown}{call('functions.f:2', '{}')}{SECTION_END}"
        assert in_all_sizes(text) == [("f", {}), f"\n{unknown}", ("f", {})]

    @pytest.mark.parametrize(
        "text",
        [
            SECTION,
            SECTION + SECTION_END,
            SECTION + call("functions.search:0") + SECTION_END,
            SECTION + call("functions.get_weather:0", "Tokyo") + SECTION_END,
            SECTION + call("functions.get_weather:0", '{"city": }') + SECTION_END,
            SECTION + call("functions.get_weather:0", '{"city": "Tokyo"} and') + SECTION_END,
            call("functions.get_weather:0").removesuffix('"}<|tool_call_end|>'),
            "<|tool_call_begin|>" + "x" * 600,
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, broken or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")

    def test_cut_end(self) -> None:
        """A call whose last marker is cut off at the end of the answer is complete."""
        assert in_all_sizes(SECTION + call("functions.get_weather:0").removesuffix("end|>")) == [TOKYO]
