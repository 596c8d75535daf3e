"""The rules that keep a stream out of every row on which a known SDK's accumulator fails (docs/messages-api.md 3.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from tests.end_to_end.sse import Event, read_events

EMPTY_STRINGS = {
    "text": ("text",),
    "thinking": ("thinking", "signature"),
    "tool_use": (),
    "server_tool_use": (),
    "web_search_tool_result": (),
    "redacted_thinking": (),
}
"""The string fields that a block must begin with, empty."""

DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}
CALLS = ("tool_use", "server_tool_use")
"""Which block each delta belongs to, and the field that must be a string."""

Allowed = Callable[[str], bool]
"""Tells whether tool input that is no JSON object may pass: the upstream's own stayed invalid."""


def unparsed(text: str) -> dict[str, Any]:
    """Return tool input that is no JSON object in the form in which the client keeps it."""
    return {"__unparsedToolInput": {"raw": text, "len": len(text)}}


def tool_input(text: str) -> tuple[dict[str, Any], bool]:
    """Parse tool input as the client does, and return whether it was an object; no text at all is the empty one."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return unparsed(text), False
    return (value, True) if isinstance(value, dict) else (unparsed(text), False)


@define
class _Stream:
    """What a client has put together so far."""

    allowed: Allowed
    message: dict[str, Any] | None = None
    open: int | None = None
    texts: list[str] = field(factory=list)
    ended: bool = False
    stopped: bool = False

    def take(self, event: Event) -> None:
        """Take one event, which must be allowed here."""
        assert not self.stopped, f"{event.name} after message_stop"
        if event.name == "ping":
            assert self.message is not None, "a ping before message_start"
            assert event.data == {"type": "ping"}
            return
        getattr(self, event.name)(event.data)

    def message_start(self, data: dict[str, Any]) -> None:
        """Begin, once, with everything an accumulator needs."""
        assert self.message is None, "a second message_start"
        message = data["message"]
        assert message["content"] == []
        assert (message["type"], message["role"]) == ("message", "assistant")
        assert isinstance(message["id"], str)
        assert isinstance(message["model"], str)
        assert (message["stop_reason"], message["stop_sequence"]) == (None, None)
        _check_usage(message["usage"], "input_tokens", "output_tokens")
        self.message = message

    def content_block_start(self, data: dict[str, Any]) -> None:
        """Open the next block; no other is open."""
        assert self.message is not None
        assert self.open is None, "two blocks open at once"
        assert not self.ended, "a block after message_delta"
        assert data["index"] == len(self.message["content"]), "indices are not dense"
        block = data["content_block"]
        assert [block[key] for key in EMPTY_STRINGS[block["type"]]] == [""] * len(EMPTY_STRINGS[block["type"]])
        if block["type"] in CALLS:
            assert block["input"] == {}
            assert block["name"]
            ids = [other["id"] for other in self.message["content"] if other["type"] in CALLS]
            assert block["id"] not in ids, "clients drop the second call under one id"
            assert block["id"].startswith("srvtoolu_") == (block["type"] == "server_tool_use")
        if block["type"] == "web_search_tool_result":
            assert self.message["content"][-1]["type"] == "server_tool_use", "a result without its call"
            assert self.message["content"][-1]["id"] == block["tool_use_id"]
        self.message["content"].append(block)
        self.open = data["index"]
        self.texts = []

    def content_block_delta(self, data: dict[str, Any]) -> None:
        """Grow the open block."""
        assert self.message is not None
        assert self.open is not None, "a delta outside a block"
        assert data["index"] == self.open
        kind, key = DELTAS[data["delta"]["type"]]
        block = self.message["content"][self.open]
        assert block["type"] == kind or {kind, block["type"]} == set(CALLS)
        piece = data["delta"][key]
        assert isinstance(piece, str)
        if kind in CALLS:
            self.texts.append(piece)
        else:
            block[key] += piece

    def content_block_stop(self, data: dict[str, Any]) -> None:
        """Close the open block."""
        assert self.message is not None
        assert self.open is not None
        assert data["index"] == self.open
        block = self.message["content"][self.open]
        if block["type"] in CALLS:
            text = "".join(self.texts)
            block["input"], valid = tool_input(text)
            assert valid or self.allowed(text), f"invalid tool input: {text!r}"
        elif block["type"] == "text":
            assert block["text"], "an empty text block"
        self.open = None

    def message_delta(self, data: dict[str, Any]) -> None:
        """Say why it ended and what it cost, once."""
        assert self.message is not None
        assert self.open is None, "a block was not closed"
        assert not self.ended, "a second message_delta"
        self.ended = True
        assert isinstance(data["delta"]["stop_reason"], str)
        assert data["delta"]["stop_sequence"] is None or isinstance(data["delta"]["stop_sequence"], str)
        _check_usage(data["usage"], "output_tokens")
        called = any(block["type"] == "tool_use" for block in self.message["content"])
        assert called or data["delta"]["stop_reason"] != "tool_use", "the client would look for a call in vain"
        self.message |= data["delta"]
        self.message["usage"] |= data["usage"]

    def message_stop(self, data: dict[str, Any]) -> None:
        """End."""
        assert data == {"type": "message_stop"}
        assert self.ended, "no message_delta"
        self.stopped = True


def _check_usage(usage: dict[str, Any], *needed: str) -> None:
    for key in needed:
        assert type(usage[key]) is int, f"usage.{key} is not a number"


def check_stream(raw: bytes, *, allowed: Allowed = lambda _: False) -> dict[str, Any]:
    """Check a finished stream against every rule, and return the message that a client makes of it.

    `read_events` has checked the bytes: names equal to types, LF only, no BOM, no ``[DONE]``, nothing left over.
    """
    return check_events(read_events(raw), allowed=allowed)


def check_events(events: Sequence[Event], *, allowed: Allowed = lambda _: False) -> dict[str, Any]:
    """Check decoded events."""
    assert events[0].name == "message_start"
    stream = _Stream(allowed)
    for event in events:
        stream.take(event)
    assert stream.stopped, "no message_stop"
    assert stream.message is not None
    return stream.message
