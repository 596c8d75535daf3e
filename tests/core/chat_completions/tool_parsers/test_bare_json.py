"""Tests for `claude_bridge.core.chat_completions.tool_parsers.bare_json`.

Shapes from public reports (Ollama 13931 and 15529, openclaude 433).
"""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.chat_completions.tool_parsers.bare_json import MAX_JSON_CHARACTERS
from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, scanned, unchanged
from tests.core.strategies import in_steps

WEATHER = ("get_weather", {"city": "Paris"})


class BareTests:
    """Calls as plain JSON that are the whole answer."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"name": "get_weather", "arguments": {"city": "Paris"}}',
            '{"name":"get_weather","arguments":{"city":"Paris"}}',
            '{\n  "name": "get_weather",\n  "arguments": {\n    "city": "Paris"\n  }\n}',
            '\n\n{"name": "get_weather", "parameters": {"city": "Paris"}}\n',
            '{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}',
            '{ "type" : "function" , "name" : "get_weather" , "parameters" : {"city": "Paris"} }',
        ],
    )
    def test_shapes(self, text: str) -> None:
        """One object, as Qwen's coders and Llama 3 write it."""
        assert in_all_sizes(text) == [WEATHER]

    @pytest.mark.parametrize("between", ["\n", "\n\n", " \r\n  "])
    def test_several(self, between: str) -> None:
        """Several, one behind the other."""
        one = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
        two = '{\n  "name": "Bash",\n  "arguments": {}\n}'
        assert in_all_sizes(f"{one}{between}{two}{between}{one}") == [WEATHER, ("Bash", {}), WEATHER]

    def test_strings(self) -> None:
        """Strings are exact, whatever stands in them, raw line breaks included."""
        said = 'a "b" }\n{ <tool_call> \\ \u00e9'
        text = json.dumps({"name": "Write", "arguments": {"text": said}})
        assert in_all_sizes(text) == [("Write", {"text": said})]
        assert in_all_sizes('{"name": "Write", "arguments": {"text": "a\nb"}}') == [("Write", {"text": "a\nb"})]

    @pytest.mark.parametrize(
        "text",
        [
            '{"name": "search", "arguments": {"q": "x"}}',
            '{"name": "get_weather"}',
            '{"name": "get_weather", "arguments": {"city": "Paris"}} is what I would call',
            'I call {"name": "get_weather", "arguments": {"city": "Paris"}}',
            '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```',
            '{"name": "get_weather", "arguments": {"city": "Paris"}',
            '{"name": "get_weather", "arguments": "Paris"}',
            '{"name": "get_weather", "arguments": {}, "description": "Tells the weather."}',
            '{"name": "get_weather", "arguments": {}}\n{"name": "search", "arguments": {}}',
            '{"name": "get_weather", "arguments": {}} {"name": "Bash", "arguments": {}}',
            '{"type": "object", "name": "get_weather", "parameters": {}}',
            '{"arguments": {}, "name": "get_weather"}',
            '{"name": ["get_weather"]}',
            '{"name": "get_weather',
            '{"city": "Paris"}',
            "{",
            "{}",
            '{"name": "get_weather", "arguments": {"a": ' + "[" * 3000,
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """Whatever is more, less or other than such calls stays text, other JSON among it."""
        assert unchanged(text)

    def test_too_long(self) -> None:
        """What is longer than any call is text, wherever the pieces end at which it becomes too long."""
        text = json.dumps({"name": "Write", "arguments": {"text": "x" * MAX_JSON_CHARACTERS}})
        for pieces in ([text], in_steps(text, 4096), [*in_steps(text[:-99], 4096), *text[-99:]]):
            assert scanned(pieces) == [text]
