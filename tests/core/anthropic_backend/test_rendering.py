"""Tests for `claude_bridge.core.anthropic_backend.rendering`."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from claude_bridge.core.anthropic_backend.rendering import DEFAULT_MAX_TOKENS, body_of
from claude_bridge.core.conversation import (
    Conversation,
    Document,
    Image,
    State,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
    Turn,
)
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.to_conversation import conversation_of


def rendered(*turns: Turn, **more: Any) -> dict[str, Any]:
    """Render a conversation."""
    fields = {"system": [], "turns": turns, **more}
    decoded: dict[str, Any] = json.loads(body_of(Conversation(**fields), "m"))
    return decoded


class BodyTests:
    """Requests that the bridge makes itself."""

    def test_smallest(self) -> None:
        """It is streamed, does not think, and names a limit, which the API demands."""
        assert rendered(Turn("user", [Text("hi")])) == {
            "model": "m",
            "max_tokens": DEFAULT_MAX_TOKENS,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            "stream": True,
            "thinking": {"type": "disabled"},
        }

    def test_tool_loop(self) -> None:
        """Calls and results, images and documents have their blocks; past thinking is left out."""
        turns = (
            Turn("user", [Text("look"), Image("data:image/png;base64,aGk="), Image("https://i.test/x.png")]),
            Turn("assistant", [Thinking("hm"), State("cb1.x"), ToolCall("toolu_1", "read", '{"a": [1]}')]),
            Turn(
                "user", [ToolResult("toolu_1", [Text("no")], True), Document("f", "data:application/pdf;base64,eA==")]
            ),
            Turn("system", [Text("be brief")]),
        )
        messages = rendered(*turns)["messages"]
        assert [each["role"] for each in messages] == ["user", "assistant", "user", "user"]
        assert messages[0]["content"][1:] == [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            {"type": "image", "source": {"type": "url", "url": "https://i.test/x.png"}},
        ]
        assert messages[1]["content"] == [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"a": [1]}}]
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}
        assert messages[2]["content"] == [
            {**result, "content": [{"type": "text", "text": "no"}]},
            {
                "type": "document",
                "title": "f",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="},
            },
        ]

    def test_options(self) -> None:
        """Tools, the choice among them, and what else the conversation says, are sent."""
        sent = rendered(
            Turn("user", [Text("hi")]),
            system=["be kind"],
            tools=[ToolDefinition("read", "Reads.", Raw(b'{"type":"object"}')), ToolDefinition("b", None, Raw(b"{}"))],
            tool_choice=ToolChoice(kind="tool", name="read", parallel=False),
            max_tokens=5,
            temperature=0.0,
            stop_sequences=["END"],
        )
        assert sent["system"] == [{"type": "text", "text": "be kind"}]
        assert sent["tools"] == [
            {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}},
            {"name": "b", "input_schema": {}},
        ]
        assert sent["tool_choice"] == {"type": "tool", "name": "read", "disable_parallel_tool_use": True}
        assert (sent["max_tokens"], sent["temperature"], sent["stop_sequences"]) == (5, 0.0, ["END"])

    def test_there_and_back(self) -> None:
        """What is rendered is read as the same conversation."""
        turns = [Turn("user", [Text("hi")]), Turn("assistant", [ToolCall("toolu_1", "read", "{}")])]
        again = conversation_of(parsing.decode(body_of(Conversation(system=["s"], turns=turns, max_tokens=5), "m")))
        assert (list(again.system), list(again.turns), again.max_tokens) == (["s"], turns, 5)
