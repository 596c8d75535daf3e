"""Tests for `claude_bridge.core.chat_completions.tool_parsers.deepseek_calls`.

The shapes are in SGLang's detectors and llama.cpp's tests.
Shapes from SGLang's detectors and the encoding beside DeepSeek V4.
"""

from __future__ import annotations

# ruff: noqa: RUF001 - the markers are written with full-width bars
import pytest

from claude_bridge.core.chat_completions.tool_parsers.deepseek_calls import PREFIXES
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
