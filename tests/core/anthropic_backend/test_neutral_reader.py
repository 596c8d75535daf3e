"""Tests for `claude_bridge.core.anthropic_backend.neutral_reader`."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from claude_bridge.core.anthropic_backend.neutral_reader import NeutralReader
from claude_bridge.core.errors import UpstreamCut
from claude_bridge.core.events import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from claude_bridge.testing.messages import frame, message_stream
from tests.core.anthropic_backend.answers import ERROR, OVERLOADED
from tests.core.strategies import in_steps

BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Let me see", "signature": "c2ln"},
    {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}},
    {"type": "tool_use", "id": "toolu_2", "name": "list", "input": {}},
]
STREAM = b"".join(message_stream(*BLOCKS))


def read(body: bytes, size: int = 4096) -> tuple[list[Event], NeutralReader]:
    """Read a body in pieces, to its end."""
    reader = NeutralReader()
    events = [*chain.from_iterable(reader.feed(piece) for piece in in_steps(body, size)), *reader.close()]
    return events, reader


class NeutralReaderTests:
    """Answers to the bridge's own requests."""

    @pytest.mark.parametrize("size", [1, 50, 4096])
    def test_blocks(self, size: int) -> None:
        """Text, thinking and calls are the events that every kind of backend gives."""
        events, reader = read(STREAM, size)
        assert events[0] == Started("claude-test")
        assert "".join(each.text for each in events if isinstance(each, TextDelta)) == "I look."
        assert "".join(each.text for each in events if isinstance(each, ReasoningDelta)) == "Let me see"
        calls = [each for each in events if isinstance(each, ToolCallStarted | ToolArgumentsDelta | ToolCallEnded)]
        first = "".join(each.json for each in calls if isinstance(each, ToolArgumentsDelta) and each.call == 0)
        assert first == '{"path":"a"}'
        assert [each for each in calls if not isinstance(each, ToolArgumentsDelta)] == [
            *(ToolCallStarted(0, "toolu_1", "read"), ToolCallEnded(0)),
            *(ToolCallStarted(1, "toolu_2", "list"), ToolCallEnded(1)),
        ]
        assert isinstance(events[-1], Finished)
        assert reader.done

    def test_whole_input(self) -> None:
        """Arguments may come with the beginning of their block."""
        started = frame("content_block_start", index=0, content_block=BLOCKS[2])
        assert read(started)[0] == [ToolCallStarted(0, "toolu_1", "read"), ToolArgumentsDelta(0, '{"path":"a"}')]

    def test_odd_blocks(self) -> None:
        """What it does not know, and what is not as it should be, is left out."""
        odd = b"".join(
            (
                frame("content_block_start", content_block={"type": "tool_use", "id": 3}),
                frame("content_block_delta", delta={"type": "text_delta", "text": 3}),
                frame("content_block_delta", delta={"type": "input_json_delta", "partial_json": "{"}),
                frame("content_block_delta", delta=[]),
                frame("content_block_stop", index=0),
                b"event: content_block_delta\ndata: no JSON\n\n",
            )
        )
        events, reader = read(odd)
        assert events == []
        assert isinstance(reader.error, UpstreamCut)

    def test_failure(self) -> None:
        """An error is a failure, as for every reader."""
        assert read(ERROR)[1].failure == OVERLOADED
