"""Tests for `claude_bridge.core.chat_completions.tool_parsers.mistral_calls`.

Shapes from mistral-common's tokenizers and vLLM's parser.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

PARIS = ("get_weather", {"city": "Paris"})
LS = ("Bash", {"command": "ls"})


class MistralTests:
    """``[TOOL_CALLS]``, before and since tokenizer v11."""

    @pytest.mark.parametrize("space", ["", " "])
    def test_array(self, space: str) -> None:
        """Up to v7 an array of calls follows the marker."""
        calls = '[{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name": "Bash", "arguments": {"command": '
        text = f'[TOOL_CALLS]{space}{calls}"ls"}}}}]'
        assert in_all_sizes(text) == [PARIS, LS]
        assert in_all_sizes(f"Sure. {text}\n\nSo.") == ["Sure. ", PARIS, LS, "So."]

    @pytest.mark.parametrize("middle", ["[ARGS]", "[CALL_ID]abcDEF123[ARGS]", "", " "])
    def test_name_first(self, middle: str) -> None:
        """Then each call has its own marker, and the name stands before the arguments."""
        text = f'[TOOL_CALLS]get_weather{middle}{{"city": "Paris"}}[TOOL_CALLS]Bash{middle}{{"command": "ls"}}'
        assert in_all_sizes(text) == [PARIS, LS]

    def test_all_or_none(self) -> None:
        """An array with an unknown tool in it stays text as a whole."""
        assert unchanged('[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "search", "arguments": {}}]')

    @pytest.mark.parametrize(
        "text",
        [
            "[TOOL_CALLS]",
            "[TOOL_CALLS] is the marker",
            "[TOOL_CALLS]search[ARGS]{}",
            '[TOOL_CALLS]f[ARGS]{"a": 1',
            "[TOOL_CALLS]f[ARGS]a",
            "[TOOL_CALLS][1]",
            "[TOOL_CALLS][]",
            "[TOOL_",
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, malformed or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")
