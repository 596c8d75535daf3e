"""Runs text through a scanner in pieces of any size, with the real bookkeeping of tool calls behind it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner
from claude_bridge.core.events import Event, TextDelta, ToolArgumentsDelta, ToolCallStarted
from claude_bridge.core.strict_json import Raw
from claude_bridge.core.work import MAX_WORK_UNITS
from tests.core.strategies import in_steps

SIZES = (1, 7, 37, 4096)

NAMES = ("get_weather", "Bash", "Write", "f")

SCHEMAS = {
    "f": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "flag": {"type": "boolean"},
            "items": {"type": "array"},
            "more": {"type": "object"},
        },
    }
}

Outcome = list[str | tuple[str, dict[str, Any]]]
"""What came out: stretches of text, and calls with their arguments, in their order."""


def scanned(pieces: Iterable[str], names: Iterable[str] = NAMES, schemas: Mapping[str, object] = SCHEMAS) -> Outcome:
    """Feed pieces to the end; joins what was cut."""
    calls = ToolCalls({}, bytes)
    raw = {name: Raw(json.dumps(schema).encode()) for name, schema in schemas.items()}
    scanner = ToolCallScanner(tuple(names), calls.add, raw, calls.work)
    events: list[Event] = []
    for piece in pieces:
        calls.work.left = MAX_WORK_UNITS  # as the reader does with each read
        scanner.add(piece, events)
    scanner.end(events)
    calls.end(events)
    return outcome(events)


def outcome(events: list[Event]) -> Outcome:
    """Read events: text is joined, each call is one, with its arguments decoded in their order."""
    found: Outcome = []
    for event in events:
        if isinstance(event, TextDelta):
            assert event.text
            if found and isinstance(found[-1], str):
                found[-1] += event.text
            else:
                found.append(event.text)
        elif isinstance(event, ToolCallStarted):
            written = [e.json for e in events if isinstance(e, ToolArgumentsDelta) and e.call == event.call]
            found.append((event.name, json.loads("".join(written))))
    return found


def in_all_sizes(text: str) -> Outcome:
    """Scan a text whole and in pieces of each size, which must come to the same."""
    whole = scanned([text])
    for size in SIZES:
        assert scanned(in_steps(text, size)) == whole, size
    return whole


def unchanged(text: str) -> bool:
    """Return whether a text stays as it is, in pieces of any size."""
    return in_all_sizes(text) == ([text] if text else [])
