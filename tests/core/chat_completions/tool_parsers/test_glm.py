"""Tests for `claude_bridge.core.chat_completions.tool_parsers.glm`.

The shapes are in SGLang's detectors for GLM 4.5 and 4.7.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

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
