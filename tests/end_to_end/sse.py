"""A strict reader of the bridge's event streams: it takes only what the strictest known client takes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen

EVENT = re.compile(rb"event: ([a-z_]+)\ndata: ([^\r\n]*)\n\n")


@frozen
class Event:
    """One server-sent event; ``data`` is decoded."""

    name: str
    data: Any


def complete_events(raw: bytes) -> tuple[list[Event], bytes]:
    """Read the whole events at the beginning of ``raw``; what is left has begun but not ended."""
    events = []
    at = 0
    while found := EVENT.match(raw, at):
        data = json.loads(found[2])
        events.append(Event(found[1].decode(), data))
        at = found.end()
    rest = raw[at:]
    assert b"\n\n" not in rest, f"not an event as clients want it: {rest[:200]!r}"
    return events, rest


def read_events(raw: bytes) -> list[Event]:
    """Read a whole stream. Each event has its name, and the name is the type in its data."""
    events, rest = complete_events(raw)
    assert not rest, f"the stream ends inside an event: {rest[:200]!r}"
    for event in events:
        assert event.data["type"] == event.name
    return events


def names(events: Sequence[Event]) -> list[str]:
    """Return the events' names without pings, whose number depends on time."""
    return [event.name for event in events if event.name != "ping"]


def text_of(events: Sequence[Event]) -> str:
    """Put the visible text together."""
    deltas = (event.data["delta"] for event in events if event.name == "content_block_delta")
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
