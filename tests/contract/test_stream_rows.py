"""No stream that we can emit falls into a row on which a known SDK's accumulator fails (docs/messages-api.md 3.4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import UpstreamCut
from claude_bridge.core.events import Event
from claude_bridge.core.messages_api.event_stream import StreamWriter
from tests.contract.stream_rules import check_events, check_stream
from tests.core.strategies import cut, cuts, event_sequences, in_steps, upstream_streams
from tests.core.transcripts import allowed_input, carried, transcripts
from tests.end_to_end.sse import Event as Sent
from tests.end_to_end.sse import read_events

SAME = ("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "container")


def assert_same(streamed: dict[str, Any], whole: dict[str, Any]) -> None:
    """A client that streams and one that does not have been told the same."""
    assert {key: streamed[key] for key in SAME} == {key: whole[key] for key in SAME}
    # the stream's end has no place for the split by lifetime, which it cannot know when it begins
    assert {**streamed["usage"], "cache_creation": None} == {**whole["usage"], "cache_creation": None}


class EmittedStreamTests:
    """Everything that the core can emit."""

    @given(event_sequences(), st.booleans())
    def test_any_events(self, events: list[Event], show: bool) -> None:
        """Whatever an answer is made of, its stream is one that every known client reads."""
        writer = StreamWriter(message_id="msg_1", model="m", show_reasoning=show)
        check_stream(b"".join(writer.write([event]) for event in events))

    @given(upstream_streams(), st.booleans(), st.data())
    def test_any_upstream(self, upstream: bytes, show: bool, data: st.DataObject) -> None:
        """From the backend's bytes, cut anywhere, to the client's: readable, and the same message in both forms."""
        carried_over = carried(cut(upstream, data.draw(cuts(len(upstream)))), show_reasoning=show)
        assert (carried_over.failure, carried_over.error) == (None, None)
        assert carried_over.message is not None
        assert_same(check_stream(carried_over.stream, allowed=allowed_input), carried_over.message)
        assert carried(in_steps(upstream, 1), show_reasoning=show).stream == carried_over.stream

    @given(upstream_streams(), st.data())
    def test_killed_anywhere(self, upstream: bytes, data: st.DataObject) -> None:
        """A backend killed at any byte never leaves a false good end, only a stream that an error can close."""
        left = upstream[: data.draw(st.integers(0, len(upstream)))]
        killed = carried([left])
        assert killed.failure is None
        if killed.error is None:
            # the finish reason was there: what is missing is at most the usage
            check_stream(killed.stream, allowed=lambda _: True)
        else:
            assert killed.message is None
            assert b"message_delta" not in killed.stream
            assert b"message_stop" not in killed.stream

    @given(event_sequences(), st.data())
    def test_failed_anywhere(self, events: list[Event], data: st.DataObject) -> None:
        """An error may close a stream after any event; it is the last thing in it."""
        writer = StreamWriter(message_id="msg_1", model="m")
        count = data.draw(st.integers(0, len(events) - 1))
        raw = writer.open() + writer.write(events[:count]) + writer.error(UpstreamCut("cut"), "req_1")
        sent = read_events(raw)
        assert [event.name for event in sent].count("error") == 1
        assert sent[-1].name == "error"
        assert writer.write(events[count:]) == b""

    def test_transcripts(self) -> None:
        """The transcripts for the SDKs are many, different, and of all kinds."""
        made = transcripts(60)
        assert len(made) >= 60
        assert len({one.upstream for one in made}) > 50
        kinds = {block["type"] for one in made if one.message for block in one.message["content"]}
        assert kinds == {"text", "thinking", "tool_use"}
        assert [one.stream for one in transcripts(60)] == [one.stream for one in made]


def change(where: int, **fields: Any) -> Callable[[list[Sent]], list[Sent]]:
    """Change fields of one event; a path is written with double underscores, None takes the field away."""

    def changed(events: list[Sent]) -> list[Sent]:
        inner: Any = events[where].data
        for path, value in fields.items():
            *parts, last = path.split("__")
            for part in parts:
                inner = inner[part]
            if value is ...:
                del inner[last]
            else:
                inner[last] = value
        return events

    return changed


GOOD = (
    b'data: {"choices": [{"delta": {"reasoning_content": "Hm"}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
    b'data: {"choices": [{"delta": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}}]}\n\n'
    b"data: [DONE]\n\n"
)
# message_start 0, thinking 1-4, text 5-7, tool 8-10, message_delta 11, message_stop 12
ROWS: dict[str, Callable[[list[Sent]], list[Sent]]] = {
    "no usage at the start": change(0, message__usage=...),
    "null usage at the start": change(0, message__usage=None),
    "no content at the start": change(0, message__content=...),
    "null content at the start": change(0, message__content=None),
    "no usage at the end": change(11, usage=...),
    "empty usage at the end": change(11, usage={}),
    "no delta at the end": change(11, delta=...),
    "second message_delta": lambda events: [*events[:12], events[11], events[12]],
    "no text in a text block": change(5, content_block__text=...),
    "no thinking in a thinking block": change(1, content_block__thinking=...),
    "null text": change(6, delta__text=None),
    "null partial_json": change(9, delta__partial_json=None),
    "invalid tool JSON": change(9, delta__partial_json='{"a": tru th}'),
    "raw control character": change(9, delta__partial_json='{"a": "\n"}'),
    "two objects": change(9, delta__partial_json="{}{}"),
    "delta for an index never started": change(6, index=7),
    "null index": change(6, index=None),
    "first index is 1": lambda events: [events[0], *events[5:]],
    "two blocks open at once": lambda events: [*events[:4], *events[5:]],
    "no content_block_stop": lambda events: [*events[:10], *events[11:]],
    "no message_stop": lambda events: events[:-1],
    "no message_delta": lambda events: [*events[:11], events[12]],
    "second message_start": lambda events: [events[0], *events],
    "content after message_stop": lambda events: [*events, events[5]],
    "no call": lambda events: [*events[:8], *events[11:]],
}


class CheckerTests:
    """The checker itself: one that takes everything proves nothing."""

    @staticmethod
    def good() -> list[Sent]:
        """Return a good stream, without pings."""
        return [event for event in read_events(carried([GOOD]).stream) if event.name != "ping"]

    def test_good(self) -> None:
        """A good stream passes and becomes its message."""
        assert [block["type"] for block in check_events(self.good())["content"]] == ["thinking", "text", "tool_use"]

    @pytest.mark.parametrize("row", ROWS)
    def test_failing_rows(self, row: str) -> None:
        """Each change that breaks a known client is caught."""
        with pytest.raises((AssertionError, KeyError, TypeError)):
            check_events(ROWS[row](self.good()))

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda raw: b"\xef\xbb\xbf" + raw,
            lambda raw: raw.replace(b"\n", b"\r\n"),
            lambda raw: raw + b"data: [DONE]\n\n",
            lambda raw: raw.replace(b"event: content_block_stop\n", b""),
            lambda raw: raw.replace(b"event: ping", b"event: pong"),
            lambda raw: raw[:-1],
            lambda raw: raw.replace(b'"Hi"', b'"Hi'),
        ],
        ids=["BOM", "CRLF", "DONE", "no name", "wrong name", "cut", "bad JSON"],
    )
    def test_failing_bytes(self, spoil: Callable[[bytes], bytes]) -> None:
        """So is each spoiled byte."""
        raw = carried([GOOD]).stream
        check_stream(raw)
        with pytest.raises((AssertionError, json.JSONDecodeError)):
            check_stream(spoil(raw))
