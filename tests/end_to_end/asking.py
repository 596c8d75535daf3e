"""Requests that several end-to-end tests send, and an answer with every kind of block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from claude_bridge.testing.chat import ToolCall, chat_stream
from tests.end_to_end.sse import Event

MESSAGES = "/v1/messages"

HI: dict[str, Any] = {"model": "test-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
"""The shortest request."""

STREAMED: dict[str, Any] = {**HI, "stream": True}

ONE_ATTEMPT = {"route:default": {"models": "scripted/test-model", "max_attempts": "1", "patience": "0"}}
"""Sections of a configuration in which nothing that fails is tried again."""

TOOL: dict[str, Any] = {
    "name": "Read",
    "description": "Reads a file.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}

FULL: dict[str, Any] = {
    "model": "test-model",
    "max_tokens": 5000,
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "tools": [TOOL],
    "messages": [{"role": "user", "content": "Compare one.txt and two.txt."}],
    "stream": True,
}
"""A request that asks for thinking and brings a tool."""

REASONING = "I have to see both files first."
TEXT = "Let me read both of them."
CALLS = (
    ToolCall(id="call_1", name="Read", arguments='{"path": "one.txt"}'),
    ToolCall(id="call_2", name="Read", arguments='{"path": "two.txt"}'),
)

ANSWER = chat_stream(reasoning=REASONING, text=TEXT, tool_calls=CALLS)
"""What a backend answers to `FULL`: thinking, text and two tool calls, an event each."""

FIRST_CONTENT = 2
"""So many events of `ANSWER` show content: before there is only the role."""

FINISH = len(ANSWER) - 2
"""So many events of `ANSWER` include the finish reason; usage and ``[DONE]`` follow."""

BLOCKS: Sequence[dict[str, Any]] = (
    {"type": "thinking", "thinking": REASONING, "signature": ""},
    {"type": "text", "text": TEXT, "citations": []},
    *(
        {"type": "tool_use", "id": "", "name": "Read", "input": {"path": path}, "caller": {"type": "direct"}}
        for path in ("one.txt", "two.txt")
    ),
)
"""The content of the whole message that `ANSWER` is, without the calls' ids."""


def as_user(name: str) -> dict[str, str]:
    """Return the header of a user of that name: the key of one whom a backend answered 429 is not sent for a while."""
    return {"x-api-key": f"key-of-{name.replace(' ', '-')}"}


def said(events: Sequence[Event]) -> str:
    """Put together all that the deltas of a stream say, of whatever kind."""
    deltas = (event.data["delta"] for event in events if event.name == "content_block_delta")
    return "".join(
        str(value) for delta in deltas for name, value in delta.items() if name in {"thinking", "text", "partial_json"}
    )


ALL_SAID = REASONING + TEXT + "".join(call.arguments for call in CALLS)
"""What `said` gives for the whole of `ANSWER`."""
