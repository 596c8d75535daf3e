"""Tests for `claude_bridge.testing.messages`: what it makes is what the official SDK and the API's schema expect."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from pydantic import TypeAdapter

from claude_bridge.testing.answers import Send
from claude_bridge.testing.messages import (
    MESSAGE_USAGE,
    frame,
    message_error,
    message_json,
    message_stream,
    message_text,
)

THINKING: dict[str, Any] = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
TEXT: dict[str, Any] = {"type": "text", "text": "I look at the file now."}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a" * 40}}


def bodies(stream: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """Return the data of all events."""
    return [json.loads(each.partition(b"data: ")[2]) for each in stream]


class MessageStreamTests:
    """A stream of the Messages API."""

    def test_blocks(self) -> None:
        """Every block comes back from its deltas, whatever they are cut into."""
        stream = bodies(message_stream(THINKING, TEXT, CALL, split=5))
        for each in stream:
            if each["type"] != "ping":
                TypeAdapter(anthropic.types.RawMessageStreamEvent).validate_python(each)
        texts = [each["delta"].get("text", "") for each in stream if each["type"] == "content_block_delta"]
        inputs = [each["delta"].get("partial_json", "") for each in stream if each["type"] == "content_block_delta"]
        assert ("".join(texts), json.loads("".join(inputs))) == (TEXT["text"], CALL["input"])

    @pytest.mark.parametrize(("blocks", "stop"), [((TEXT,), "end_turn"), ((TEXT, CALL), "tool_use")])
    def test_stop_reason(self, blocks: tuple[dict[str, Any], ...], stop: str) -> None:
        """It stops for the reason that fits, after all tokens are counted."""
        *_, delta, last = bodies(message_stream(*blocks, output_tokens=77))
        assert delta["delta"]["stop_reason"] == stop
        assert delta["usage"]["input_tokens"] == MESSAGE_USAGE["input_tokens"]
        assert delta["usage"]["output_tokens"] == 77
        assert last == {"type": "message_stop"}

    def test_id(self) -> None:
        """Two messages of one conversation can be told from each other."""
        assert bodies(message_text("Hi", message_id="msg_2"))[0]["message"]["id"] == "msg_2"

    def test_text(self) -> None:
        """The shortest stream says one text."""
        assert message_text("Hi") == message_stream({"type": "text", "text": "Hi"})

    def test_frame(self) -> None:
        """An event has a name, and blanks where Anthropic's own servers write them."""
        assert frame("ping") == b'event: ping\ndata: {"type": "ping"} \n\n'


class WholeTests:
    """Answers that are not streamed."""

    def test_message(self) -> None:
        """A message is one of the SDK's."""
        answer = message_json(THINKING, TEXT, CALL, headers=[("x-a", "b")])
        (step,) = answer.steps
        assert isinstance(step, Send)
        read = anthropic.types.Message.model_validate_json(step.data, strict=True)
        assert [block.type for block in read.content] == ["thinking", "text", "tool_use"]
        assert read.stop_reason == "tool_use"
        assert ("x-a", "b") in answer.headers

    def test_refusal(self) -> None:
        """A message may have no content, and end for any reason."""
        (step,) = message_json(stop="refusal").steps
        assert isinstance(step, Send)
        read = anthropic.types.Message.model_validate_json(step.data, strict=True)
        assert (read.content, read.stop_reason) == ([], "refusal")

    def test_error(self) -> None:
        """An error has the API's envelope, and its id in a header too."""
        answer = message_error(529, "overloaded_error", "Overloaded")
        (step,) = answer.steps
        assert isinstance(step, Send)
        assert json.loads(step.data)["error"] == {"type": "overloaded_error", "message": "Overloaded"}
        assert dict(answer.headers)["request-id"] == json.loads(step.data)["request_id"]
