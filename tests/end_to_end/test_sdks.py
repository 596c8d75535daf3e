"""Tests of the SDK readers with streams that are known to break them: one that takes everything proves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.test_schema import BEGIN, BLOCK, CALL, END, FAILED, LAST, PING, delta, start, stop
from tests.end_to_end.sdks import SDKS, read_by_sdk
from tests.end_to_end.sse import Event
from tests.environments import Environment

THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def raw(*events: Event) -> bytes:
    """Write events as a server does."""
    return b"".join(f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode() for event in events)


def without(event: Event, *path: str) -> Event:
    """Take one key out of an event."""
    data = json.loads(json.dumps(event.data))
    inner: Any = data
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return Event(event.name, data)


GOOD = {
    "text": raw(BEGIN, *BLOCK, LAST, END),
    "pings": raw(BEGIN, PING, *BLOCK, PING, LAST, END),
    "call": raw(BEGIN, *BLOCK, *CALL, LAST, END),
    "thinking": raw(BEGIN, start(0, THINKING), delta(0, "thinking_delta", "thinking"), stop(0), LAST, END),
    "nothing": raw(BEGIN, LAST, END),
}
BAD = {
    "no usage at the start": raw(without(BEGIN, "message", "usage"), *BLOCK, LAST, END),
    "no content at the start": raw(without(BEGIN, "message", "content"), *BLOCK, LAST, END),
    "no usage at the end": raw(BEGIN, *BLOCK, without(LAST, "usage"), END),
    "no text in a text block": raw(BEGIN, start(0, {"type": "text"}), delta(0), stop(0), LAST, END),
    "first index is 1": raw(BEGIN, start(1), delta(1), stop(1), LAST, END),
    "no names": raw(BEGIN, *BLOCK, LAST, END).replace(b"event: ", b"x: "),
    "error": raw(BEGIN, *BLOCK, FAILED),
}


@pytest.mark.parametrize("environment", SDKS, ids=[one.name for one in SDKS])
class SDKTests:
    """Both SDKs as readers."""

    def test_good(self, environment: Environment) -> None:
        """Good streams become the message that they say."""
        results = dict(zip(GOOD, read_by_sdk(environment, GOOD.values()), strict=True))
        assert {name: one.failure for name, one in results.items()} == dict.fromkeys(GOOD)
        messages = {name: one.message or {} for name, one in results.items()}
        assert messages["text"]["content"][0]["text"] == "{}"
        assert messages["text"]["stop_reason"] == "end_turn"
        assert messages["call"]["content"][1]["input"] == {}
        assert messages["thinking"]["content"][0]["thinking"] == "{}"
        assert messages["nothing"]["content"] == []

    def test_bad(self, environment: Environment) -> None:
        """Streams that are known to break an SDK are reported as failures, each for itself."""
        results = dict(zip(BAD, read_by_sdk(environment, BAD.values()), strict=True))
        assert [name for name, one in results.items() if one.failure is None] == []

    def test_many(self, environment: Environment) -> None:
        """Hundreds of streams are read in one process, in order."""
        results = read_by_sdk(environment, [GOOD["text"], BAD["error"]] * 150)
        assert [one.failure is None for one in results] == [True, False] * 150
