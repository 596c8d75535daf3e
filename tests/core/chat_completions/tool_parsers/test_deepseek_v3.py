"""Tests for `claude_bridge.core.chat_completions.tool_parsers.deepseek_v3`.

The shapes are in SGLang's detectors and llama.cpp's tests.
"""
# ruff: noqa: RUF001 - the markers are written with full-width bars

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

SECTION, SECTION_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL, SEPARATOR, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
V3 = f'{CALL}function{SEPARATOR}get_weather\n```json\n{{"city": "Tokyo"}}\n```{CALL_END}'
V31 = f'{CALL}get_weather{SEPARATOR}{{"city": "Tokyo"}}{CALL_END}'
TOKYO = ("get_weather", {"city": "Tokyo"})


class DeepSeekV3Tests:
    """Full-width bars, with a code fence in V3 and without in V3.1."""

    @pytest.mark.parametrize("call", [V3, V31])
    def test_shapes(self, call: str) -> None:
        """One call or several, with line breaks between them or not."""
        assert in_all_sizes(f"{SECTION}{call}{SECTION_END}") == [TOKYO]
        assert in_all_sizes(f"I ask.\n\n{SECTION}{call}\n{call}{SECTION_END}\nSo") == ["I ask.", TOKYO, TOKYO, "So"]

    @pytest.mark.parametrize("call", [V3, V31, V3.removesuffix(CALL_END), V31.removesuffix(CALL_END)])
    def test_ends_missing(self, call: str) -> None:
        """The markers of the end may be missing, and that of the section's beginning."""
        assert in_all_sizes(SECTION + call) == in_all_sizes(call) == [TOKYO]

    def test_mixed(self) -> None:
        """V3.1's order with V3's fence, and V3's without it, are read as well."""
        fenced = f"{CALL}f{SEPARATOR}```json\n{{}}\n```{CALL_END}"
        bare = f"{CALL}function{SEPARATOR}f\n{{}}\n{CALL_END}"
        assert in_all_sizes(SECTION + fenced + bare + SECTION_END) == [("f", {}), ("f", {})]

    @pytest.mark.parametrize(
        "text",
        [
            SECTION,
            SECTION + SECTION_END,
            SECTION + V3.replace("get_weather", "search") + SECTION_END,
            SECTION + V31.replace("}", ""),
            SECTION + V3.replace("```<", "<") + " x",
            SECTION + V31.replace(CALL_END, " and more"),
            f"{CALL}function{SEPARATOR}",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}")
