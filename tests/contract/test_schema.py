"""Tests of the judge itself: a judge that never refuses is none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.contract.schema import (
    assert_valid,
    validate,
    validate_answer,
    validate_error,
    validate_models,
    validate_stream,
)
from tests.end_to_end.sse import Event

USAGE = {
    "input_tokens": 1,
    "output_tokens": 1,
    "cache_creation": None,
    "cache_creation_input_tokens": None,
    "cache_read_input_tokens": 0,
    "inference_geo": None,
    "output_tokens_details": None,
    "server_tool_use": None,
    "service_tier": None,
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi", "citations": []}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "stop_details": None,
    "container": None,
    "usage": USAGE,
}
MODEL = {
    "id": "m",
    "type": "model",
    "display_name": "m",
    "created_at": "1970-01-01T00:00:00Z",
    "max_input_tokens": None,
    "max_tokens": None,
    "capabilities": None,
}
ERROR = {"type": "error", "error": {"type": "api_error", "message": "no"}, "request_id": "req_1"}
DELTA_USAGE = {
    name: USAGE[name]
    for name in (
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens_details",
        "server_tool_use",
    )
}
TEXT = {"type": "text", "text": "", "citations": []}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}


def start(index: int, block: dict[str, Any] = TEXT) -> Event:
    """Make the start of a block."""
    return Event("content_block_start", {"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, kind: str = "text_delta", key: str = "text") -> Event:
    """Make a delta."""
    return Event(
        "content_block_delta", {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: "{}"}}
    )


def stop(index: int) -> Event:
    """Make the end of a block."""
    return Event("content_block_stop", {"type": "content_block_stop", "index": index})


BEGIN = Event("message_start", {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}})
LAST = Event(
    "message_delta",
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "container": None},
        "usage": DELTA_USAGE,
    },
)
END = Event("message_stop", {"type": "message_stop"})
PING = Event("ping", {"type": "ping"})
FAILED = Event("error", ERROR)
BLOCK = (start(0), delta(0), stop(0))
CALL = (start(1, TOOL), delta(1, "input_json_delta", "partial_json"), stop(1))


class MessageTests:
    """Whole messages."""

    def test_valid(self) -> None:
        """A complete message passes."""
        assert_valid(validate("Message", MESSAGE))

    @pytest.mark.parametrize("key", sorted(MESSAGE))
    def test_missing(self, key: str) -> None:
        """A message without any one of its fields is refused: clients generated from the schema would fail."""
        assert validate("Message", {name: value for name, value in MESSAGE.items() if name != key})

    @pytest.mark.parametrize(
        ("path", "wrong"),
        [
            (("content", 0, "text"), None),
            (("content", 0, "type"), "texts"),
            (("usage", "input_tokens"), None),
            (("stop_reason",), "done"),
            (("role",), "user"),
        ],
    )
    def test_wrong(self, path: tuple[Any, ...], wrong: object) -> None:
        """A wrong value anywhere is refused, with its path."""
        message: Any = copy.deepcopy(MESSAGE)
        inner = message
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = wrong
        with pytest.raises(AssertionError, match="Message"):
            assert_valid(validate("Message", message))

    def test_unknown_schema(self) -> None:
        """A misspelt name of a schema is not taken for a pass."""
        with pytest.raises(AssertionError, match="knows no Massage"):
            validate("Massage", {})


class SmallAnswersTests:
    """Errors and model lists."""

    def test_errors(self) -> None:
        """The envelope passes with a known type and an id; the 413 type is known too."""
        assert_valid(validate_error(ERROR))
        assert_valid(validate_error({**ERROR, "error": {"type": "request_too_large", "message": "no"}}))
        assert validate_error({**ERROR, "error": {"type": "server_error", "message": "no"}})
        assert validate_error({**ERROR, "request_id": ""})
        assert validate_error({"error": {"message": "no"}})

    def test_models(self) -> None:
        """A list says its first and last id."""
        listed = {"data": [MODEL], "first_id": "m", "last_id": "m", "has_more": False}
        assert_valid(validate_models(listed))
        assert_valid(validate_models({"data": [], "first_id": None, "last_id": None, "has_more": False}))
        assert validate_models({**listed, "last_id": None})
        assert validate_models({**listed, "data": [{**MODEL, "created_at": "yesterday"}]})


class StreamTests:
    """Whole streams."""

    @pytest.mark.parametrize(
        "events",
        [
            (BEGIN, *BLOCK, LAST, END),
            (BEGIN, PING, start(0), PING, delta(0), stop(0), *CALL, LAST, PING, END),
            (BEGIN, LAST, END),
            (BEGIN, start(0), delta(0), FAILED),
            (BEGIN, FAILED),
            (FAILED,),
        ],
    )
    def test_valid(self, events: tuple[Event, ...]) -> None:
        """Every order that clients can read passes."""
        assert_valid(validate_stream(events))

    @pytest.mark.parametrize(
        "events",
        [
            (),
            (BEGIN, *BLOCK),
            (BEGIN, *BLOCK, END),
            (BEGIN, *BLOCK, LAST),
            (BEGIN, *BLOCK, LAST, LAST, END),
            (BEGIN, BEGIN, *BLOCK, LAST, END),
            (*BLOCK, LAST, END),
            (BEGIN, *BLOCK, LAST, END, FAILED),
            (BEGIN, FAILED, *BLOCK, LAST, END),
            (BEGIN, start(0), delta(0), LAST, END),
            (BEGIN, delta(0), LAST, END),
            (BEGIN, *BLOCK, *BLOCK, LAST, END),
            (BEGIN, *CALL, LAST, END),
            (BEGIN, start(0), start(1), stop(0), stop(1), LAST, END),
            (BEGIN, start(0, TOOL), delta(0), stop(0), LAST, END),
            (BEGIN, start(0), delta(0, "input_json_delta", "partial_json"), stop(0), LAST, END),
            (BEGIN, stop(0), LAST, END),
            (BEGIN, Event("ping", {"type": "ping", "extra": 1}), LAST, END),
            (BEGIN, Event("pong", {"type": "pong"}), LAST, END),
            (BEGIN, start(0, {"type": "text"}), stop(0), LAST, END),
        ],
    )
    def test_invalid(self, events: tuple[Event, ...]) -> None:
        """Every order that some client cannot read is refused."""
        assert validate_stream(events)


class AnswerTests:
    """Any answer, told apart by path, status and content type."""

    HEADERS = {"request-id": "req_1", "content-type": "application/json"}  # noqa: RUF012 - never changed

    @pytest.mark.parametrize(
        ("path", "status", "value"),
        [
            ("/v1/messages?beta=true", 200, MESSAGE),
            ("/v1/messages/count_tokens", 200, {"input_tokens": 3}),
            ("/v1/models?limit=3", 200, {"data": [MODEL], "first_id": "m", "last_id": "m", "has_more": False}),
            ("/v1/models/a/b", 200, MODEL),
            ("/v1/messages", 500, ERROR),
            ("/health", 200, {"status": "ready"}),
            ("/health", 503, {"status": "stopping"}),
        ],
    )
    def test_valid(self, path: str, status: int, value: object) -> None:
        """Each kind of answer is held against its own schema."""
        assert_valid(validate_answer(path, status, self.HEADERS, json.dumps(value).encode()))

    @pytest.mark.parametrize(
        ("path", "status", "value"),
        [
            ("/v1/messages", 200, MODEL),
            ("/v1/messages/count_tokens", 200, {}),
            ("/v1/models", 200, MODEL),
            ("/v1/models/a", 200, MESSAGE),
            ("/v1/messages", 400, ERROR),
            ("/v1/messages", 500, {**ERROR, "request_id": "req_2"}),
        ],
    )
    def test_invalid(self, path: str, status: int, value: object) -> None:
        """What is another answer's, or an error under the wrong status, is refused."""
        assert validate_answer(path, status, self.HEADERS, json.dumps(value).encode())

    def test_headers(self) -> None:
        """Each answer has its id, and none is HTML."""
        assert validate_answer("/health", 200, {"content-type": "application/json"}, b"{}")
        assert validate_answer("/health", 200, {**self.HEADERS, "content-type": "text/html"}, b"<p>")
