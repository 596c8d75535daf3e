"""Tests for `claude_bridge.core.chat_completions.tool_parsers.harmony`.

Shapes from openai/harmony's format description and its tests.
"""

from __future__ import annotations

import pytest

from tests.core.chat_completions.tool_parsers.scanning import in_all_sizes, unchanged

BODY = '<|message|>{"location":"San Francisco"}<|call|>'
SAN_FRANCISCO = ("get_weather", {"location": "San Francisco"})


class HarmonyTests:
    """gpt-oss' channels."""

    @pytest.mark.parametrize(
        "head",
        [
            "<|channel|>commentary to=functions.get_weather <|constrain|>json",
            "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json",
            "<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json",
            "<|start|>assistant to=functions.get_weather<|channel|>commentary json",
            "<|start|>assistant to=functions.get_weather<|channel|>analysis code",
            "<|channel|>analysis to=functions.get_weather code",
            "<|channel|>commentary to=functions.get_weather",
            "<|channel|>commentary to=get_weather <|constrain|>json\n",
        ],
    )
    def test_shapes(self, head: str) -> None:
        """In whichever order and with whichever marks the models write it, the call is found."""
        assert in_all_sizes(head + BODY) == [SAN_FRANCISCO]
        text = f"I ask.\n{head}{BODY}{head}{BODY}"
        assert in_all_sizes(text) == ["I ask.", SAN_FRANCISCO, SAN_FRANCISCO]
        assert in_all_sizes(head + BODY.removesuffix("<|call|>")) == [SAN_FRANCISCO]

    @pytest.mark.parametrize(
        "text",
        [
            "<|start|>assistant<|channel|>final<|message|>Hello",
            "<|start|>assistant",
            "<|channel|>commentary<|message|>I will look.<|end|>",
            "<|channel|>commentary to=functions.search <|constrain|>json" + BODY,
            "<|channel|>commentary to=browser.open" + BODY,
            "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>San Francisco<|call|>",
            "<|channel|>commentary to=functions.get_weather <|constrain|>json" + BODY[:-12],
            "<|channel|>commentary to=functions.get_weather" + BODY.replace("<|call|>", " and more"),
            "<|start|>assistant to=functions.get_weather<|channel|>final" + BODY,
        ],
    )
    def test_near_misses(self, text: str) -> None:
        """What is cut, is no call, or not a tool of this request stays text."""
        assert unchanged(text)
        assert unchanged(f"So\n{text}\n")
