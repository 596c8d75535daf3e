"""Tests for `claude_bridge.core.chat_completions.tool_parsers.tool_call_tag`.

The shapes are those of vLLM's and llama.cpp's tests of Hermes 2 Pro.
The shapes are in SGLang's detectors for GLM 4.5 and 4.7.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

ONE = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "San Francisco"}}\n</tool_call>'
TWO = '<tool_call>\n{"arguments": {"command": "ls"}, "name": "Bash"}\n</tool_call>'
SAN_FRANCISCO = ("get_weather", {"city": "San Francisco"})
LS = ("Bash", {"command": "ls"})


class HermesTests:
    """JSON between ``<tool_call>`` tags."""

    def test_one(self) -> None:
        """A call that leaked is a call again."""
        assert in_all_sizes(ONE) == [SAN_FRANCISCO]

    def test_among_text(self) -> None:
        """Text before and after stays; the template's line breaks around the call go."""
        assert in_all_sizes(f"Let me see.\n\n{ONE}\n\nDone.\n") == ["Let me see.", SAN_FRANCISCO, "Done.\n"]

    def test_several(self) -> None:
        """Parallel calls are as many calls, also two of the same tool, and nothing is left between them."""
        assert in_all_sizes(f"{ONE}\n{TWO}\n{ONE}") == [SAN_FRANCISCO, LS, SAN_FRANCISCO]

    def test_array(self) -> None:
        """An array of calls inside one pair of tags is as many calls."""
        text = '<tool_call>[{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {}}]</tool_call>'
        assert in_all_sizes(text) == [("f", {"a": 1}), ("f", {})]

    @pytest.mark.parametrize("cut", ["", "\n", "\n</tool_", "</tool_call"])
    def test_unclosed_at_the_end(self, cut: str) -> None:
        """A complete object whose closing tag the server ate, in part or in whole, is a call."""
        assert in_all_sizes(ONE.removesuffix("\n</tool_call>") + cut) == [SAN_FRANCISCO]

    def test_unclosed_before_another(self) -> None:
        """So is one that is followed by another."""
        assert in_all_sizes(ONE.removesuffix("</tool_call>") + TWO) == [SAN_FRANCISCO, LS]

    def test_tags_inside_arguments(self) -> None:
        """A closing tag, a fence or a bracket inside a string ends nothing."""
        text = r'<tool_call>{"name": "Write", "arguments": {"text": "</tool_call>\n```\n}}]\" \\"}}</tool_call>'
        assert in_all_sizes(text) == [("Write", {"text": '</tool_call>\n```\n}}]" \\'})]

    @pytest.mark.parametrize(
        "text",
        [
            '<tool_call>\n{"name": "get_weather", "arguments": {"city": "San',
            '<tool_call>\n{"name": "get_weather", "arguments": {"city": tru}}\n</tool_call>',
            '<tool_call>\n{"name": "get_weather", "arguments": "San Francisco"}\n</tool_call>',
            '<tool_call>\n{"name": "get_weather", "arguments": ["San Francisco"]}\n</tool_call>',
            '<tool_call>\n{"name": "get_forecast", "arguments": {}}\n</tool_call>\n',
            '<tool_call>\n{"city": "San Francisco"}\n</tool_call>',
            '<tool_call>\n{"name": "get_weather"} is how it begins</tool_call>',
            "<tool_call>{ and so on",
            "<tool_call>[1, 2]</tool_call>",
            "<tool_call>[]</tool_call> ",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, broken, not an object, or not a tool of this request stays the text it was."""
        assert unchanged(text)
        assert unchanged(f"So:\n\n{text}\n\n")


GLM_45 = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>北京</arg_value>\n"
    "<arg_key>date</arg_key>\n<arg_value>2024-06-27</arg_value>\n</tool_call>"
)
GLM_47 = GLM_45.replace("\n", "")
BEIJING = ("get_weather", {"city": "北京", "date": "2024-06-27"})


class GlmTests:
    """Keys and values in tags of their own."""

    @pytest.mark.parametrize("text", [GLM_45, GLM_47])
    def test_shapes(self, text: str) -> None:
        """With the line breaks of 4.5 and without them as in 4.7, one call or several."""
        assert in_all_sizes(text) == [BEIJING]
        assert in_all_sizes(f"Both.\n{text}\n{text}") == ["Both.", BEIJING, BEIJING]

    def test_no_arguments(self) -> None:
        """A tool without parameters is called with none."""
        assert in_all_sizes("<tool_call>f\n</tool_call>") == in_all_sizes("<tool_call>f</tool_call>") == [("f", {})]

    def test_types(self) -> None:
        """Values take the type that the schema names; strings are exact, line breaks and closing tags included."""
        text = (
            "<tool_call>f<arg_key>count</arg_key><arg_value>5</arg_value>"
            "<arg_key>text</arg_key><arg_value>\n5 </arg_value>, it said\n</arg_value></tool_call>"
        )
        assert in_all_sizes(text) == [("f", {"count": 5, "text": "\n5 </arg_value>, it said\n"})]

    @pytest.mark.parametrize(
        "text",
        [
            GLM_45.removesuffix("</tool_call>"),
            GLM_45.replace("get_weather", "get_forecast"),
            GLM_45.replace("<arg_value>", "<value>"),
            "<tool_call>get_weather is what I would call",
            "<tool_call> is a tag",
            "<tool_call>" + "w" * 600,
            "<tool_call>f",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)


class ToolCallTests:
    """One tag, three syntaxes."""

    def test_three_in_one_answer(self) -> None:
        """Each is known by what follows the tag, with white space between or not."""
        calls = [
            '<tool_call> {"name": "f", "arguments": {}}</tool_call>',
            "<tool_call>\n\n<function=Bash></function></tool_call>",
            "<tool_call>\nWrite</tool_call>",
        ]
        assert in_all_sizes("\n".join(calls)) == [("f", {}), ("Bash", {}), ("Write", {})]

    @pytest.mark.parametrize("text", ["<tool_call>", "<tool_call>\n", "<tool_call></tool_call>", "<tool_call><b>"])
    def test_none_of_them(self, text: str) -> None:
        """A tag with nothing of a call behind it is text."""
        assert unchanged(text)
        assert unchanged(f"a {text} b")
