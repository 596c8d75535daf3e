"""Tests for `claude_bridge.testing.responses`: every event is valid by the ``openai`` package's types."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from claude_bridge.testing.answers import Send
from claude_bridge.testing.chat import ToolCall
from claude_bridge.testing.responses import ResponseEvents, encoded, response_json, response_stream, response_usage

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CALL = ToolCall(id="a", name="f", arguments='{"x": 1}')


def validated(events: list[dict[str, Any]]) -> list[Any]:
    """Read the events with the official types, which must know each by its type and find all that they require."""
    return [EVENT.validate_python(event, strict=False) for event in events]


class EventTests:
    """The events of an answer."""

    def test_valid(self) -> None:
        """Reasoning, text, refusals, calls and all three ends."""
        answer = ResponseEvents()
        answer.begin()
        answer.reason(["I ", "see."], ["Well."], encrypted="gAAAA" * 10)
        answer.say("Hel", "lo")
        answer.refuse("No", ".")
        answer.call(CALL)
        answer.end(usage=response_usage(9, 5, cached=2, written=1, reasoning=3))
        answer.end("incomplete", incomplete_details={"reason": "max_output_tokens"})
        answer.end("failed", error={"code": "server_error", "message": "no"})
        answer.add("error", code="server_error", message="no", param=None)

        read = validated(answer.events)

        assert [each.type for each in read] == [each["type"] for each in answer.events]
        assert [each.sequence_number for each in read] == list(range(len(read)))
        assert {type(each).__name__ for each in read} >= {
            "ResponseReasoningSummaryTextDeltaEvent", "ResponseRefusalDeltaEvent", "ResponseFailedEvent",
        }  # fmt: skip

    def test_says_everything(self) -> None:
        """Deltas, the ends of parts and items, and the end of the answer say the same."""
        answer = ResponseEvents()
        answer.begin()
        answer.call(CALL, pieces=3)
        answer.end()
        deltas = [each["delta"] for each in answer.events if each["type"].endswith("arguments.delta")]

        assert "".join(deltas) == CALL.arguments
        assert len(deltas) == 3
        assert answer.output == [answer.events[-2]["item"]]
        whole = Response.model_validate(answer.events[-1]["response"])
        assert whole.output[0].to_dict() == answer.output[0]

    def test_stream(self) -> None:
        """A usual answer, framed with the names of its events or without."""
        parts = response_stream(text="It is sunny.", reasoning="I look.", encrypted="gAAAA", calls=[CALL])

        assert all(part.startswith(b"event: response.") for part in parts)
        assert encoded([{"type": "x"}], named=False) == (b'data: {"type":"x"}\n\n',)
        assert b"".join(parts).count(b"output_text.delta\n") == 3

    def test_whole(self) -> None:
        """The last event has the whole answer."""
        answer = ResponseEvents()
        answer.say("hi")
        answer.end()
        (step,) = response_json(answer.events).steps

        assert isinstance(step, Send)
        assert Response.model_validate(msgspec.json.decode(step.data)).output_text == "hi"

    @pytest.mark.parametrize("status", ["completed", "incomplete"])
    def test_no_usage(self, status: str) -> None:
        """Usage can be left out."""
        answer = ResponseEvents()
        answer.end(status, usage=None)
        assert validated(answer.events)[0].response.usage is None
