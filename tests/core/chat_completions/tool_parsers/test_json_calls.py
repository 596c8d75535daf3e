"""Tests for `claude_bridge.core.chat_completions.tool_parsers.json_calls`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.tool_parsers.cursor import ParsedCall
from claude_bridge.core.chat_completions.tool_parsers.json_calls import calls, decode


class CallsTests:
    """JSON that says what to call."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"name": "f", "arguments": {"a": 1}}',
            '{"arguments": {"a": 1}, "id": 7, "name": "f"}',
            '{"name": "f", "parameters": {"a": 1}}',
            '{"name": "f", "arguments": "{\\"a\\": 1}"}',
            '{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}',
            '[{"name": "f", "arguments": {"a": 1}}]',
        ],
    )
    def test_shapes(self, text: str) -> None:
        """Name and arguments are found in all the forms models write."""
        assert calls(text) == (ParsedCall("f", {"a": 1}),)

    @pytest.mark.parametrize("rest", ["", ', "arguments": {}', ', "arguments": null', ', "arguments": ""'])
    def test_no_arguments(self, rest: str) -> None:
        """No arguments are the empty object."""
        expected = () if rest.endswith('""') else (ParsedCall("f", {}),)
        assert calls(f'{{"name": "f"{rest}}}') == expected

    @pytest.mark.parametrize(
        "text",
        ['{"name": 1}', "{}", "[]", '[{"name": "f"}, {}]', '[{"name": "f"}, 1]', '{"name": "f", "arguments": "x"}'],
    )
    def test_none(self, text: str) -> None:
        """Where any part is no call, there is none."""
        assert calls(text) == ()


class DecodedTests:
    """JSON as models write it."""

    def test_raw_line_breaks(self) -> None:
        """Line breaks and tabs that should have been escaped are taken for what they are."""
        assert decode('{"a": "b\n\tc"}') == {"a": "b\n\tc"}
        assert decode('[{"a": "b\nc"}, {"d": "\r"}]') == [{"a": "b\nc"}, {"d": "\r"}]

    @pytest.mark.parametrize("text", ["{", "{]}", '{"a": tru}', '{"a": 1}}{', '{"a": 1e999}', "[" * 100_000, "\ud800"])
    def test_broken(self, text: str) -> None:
        """What is no JSON is nothing, and raises nothing."""
        assert decode(text) is None

    def test_large_numbers(self) -> None:
        """A number is not rounded because it is large."""
        assert decode('{"a": 123456789012345678901234567890}') == {"a": 123456789012345678901234567890}
