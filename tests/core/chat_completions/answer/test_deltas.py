"""Tests for `claude_bridge.core.chat_completions.answer.deltas`.

Whole answers, with all that may be odd about them, are tested with the reader.
"""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions import chat_codec
from claude_bridge.core.chat_completions.answer.deltas import DeltaReader
from claude_bridge.core.chat_completions.answer.plain_chunks import PlainDelta, decode_plain
from claude_bridge.core.chat_completions.answer.text import AnswerText
from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.openai_types import Delta
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    ReasoningDelta,
    ReasoningState,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from claude_bridge.core.strict_json import encode

CALL = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}


def make(dialect: str = "generic", *, max_held: int = 1000) -> DeltaReader:
    """Make a reader for the content of one answer."""
    return DeltaReader(
        dialect=DIALECTS[dialect],
        model="m",
        text=AnswerText(ThinkSplitter()),
        calls=ToolCalls({}, bytes),
        max_held=max_held,
    )


def delta(**fields: Any) -> Delta:
    """Make a delta as it is decoded."""
    choices = chat_codec.decode_chunk(encode({"choices": [{"delta": fields}]})).choices
    assert choices
    assert choices[0].delta is not None
    return choices[0].delta


def plain(**fields: Any) -> PlainDelta:
    """Make a plain delta as it is decoded."""
    decoded = decode_plain(encode({"choices": [{"delta": fields}]}))
    assert decoded is not None
    return decoded


def more_arguments(text: str) -> PlainDelta:
    """Make a plain delta with more arguments of the first call."""
    return plain(tool_calls=[{"index": 0, "function": {"arguments": text}}])


def added(reader: DeltaReader, *deltas: Delta) -> list[Event]:
    """Return the events of deltas and of their end."""
    events: list[Event] = []
    for each in deltas:
        reader.add(each, events)
    reader.end(events)
    return events


class DeltaReaderTests:
    """What deltas say."""

    def test_order(self) -> None:
        """Reasoning stands before text before calls, whatever order the fields have."""
        events = added(make(), delta(tool_calls=[CALL], content="Hi", reasoning="Hm"))
        assert events[:2] == [ReasoningDelta("Hm"), TextDelta("Hi")]
        assert isinstance(events[2], ToolCallStarted)
        assert events[3:] == [ToolArgumentsDelta(0, "{}"), ToolCallEnded(0)]

    def test_plain(self) -> None:
        """Plain text bypasses the reader once it needs no filter, and plain arguments while a call is open."""
        reader, events = make(), list[Event]()
        assert not reader.expects_plain
        assert not reader.add_plain(plain(content="Hi"), events)
        reader.add(delta(content="Hello"), events)
        assert reader.expects_plain
        assert reader.add_plain(plain(content=" world"), events)
        assert reader.add_plain(plain(content=""), events)
        assert not reader.add_plain(more_arguments("{"), events)
        assert events == [TextDelta("Hello"), TextDelta(" world")]
        del events[:]
        reader.add(delta(tool_calls=[{**CALL, "function": {"name": "f", "arguments": "{"}}]), events)
        assert reader.add_plain(more_arguments("}"), events)
        assert not reader.add_plain(more_arguments("}"), events)
        assert events[1:] == [ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}"), ToolCallEnded(0)]

    def test_plain_beside_state(self) -> None:
        """Where a dialect collects state from every delta, none is plain."""
        reader = make("openrouter")
        reader.add(delta(content="Hello"), [])
        assert not reader.expects_plain

    def test_plain_arguments_held(self) -> None:
        """What is held of plain arguments counts like all others."""
        reader = make(max_held=10)
        reader.add(delta(tool_calls=[{**CALL, "function": {"name": "f", "arguments": "x"}}]), [])
        with pytest.raises(UpstreamProtocolError, match="held back"):
            reader.add_plain(more_arguments("x" * 20), [])

    def test_what_was_seen(self) -> None:
        """Reasoning alone is no content; text and calls are, and a refusal is text that says so."""
        reader = make()
        added(reader, delta(reasoning="Hm"))
        assert (reader.content_seen, reader.refused) == (False, False)
        for said in (delta(content="a"), delta(tool_calls=[CALL]), delta(function_call=CALL["function"])):
            reader = make()
            added(reader, said)
            assert reader.content_seen
        reader = make()
        assert added(reader, delta(refusal="No.")) == [TextDelta("No.")]
        assert reader.refused

    def test_held_text(self) -> None:
        """Text that could still become a tag is given out before a call and at the end."""
        events = added(make(), delta(content="<thi"), delta(tool_calls=[CALL]), delta(content="nk>"))
        assert (events[0], events[-1]) == (TextDelta("<thi"), TextDelta("nk>"))
        assert added(make(), delta(content="<thi")) == [TextDelta("<thi")]

    def test_state(self) -> None:
        """State that a server wants back ends the reasoning that it belongs to."""
        details = [{"type": "reasoning.encrypted", "data": "ZW5j", "id": "r", "format": "f", "index": 0}]
        events = added(make("openrouter"), delta(reasoning_details=details), delta(content="Hi"))
        assert [type(event) for event in events] == [ReasoningState, TextDelta]
        events = added(make("openrouter"), delta(reasoning_details=details))
        assert [type(event) for event in events] == [ReasoningState]

    def test_bound(self) -> None:
        """Arguments that have to be held back are bounded."""
        nameless = delta(tool_calls=[{"index": 0, "function": {"arguments": "x" * 60}}])
        added(make(max_held=60), nameless)
        with pytest.raises(UpstreamProtocolError, match="more than 59 bytes of tool arguments"):
            added(make(max_held=59), nameless)
