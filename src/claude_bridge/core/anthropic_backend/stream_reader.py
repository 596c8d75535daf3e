"""The reader of a streamed answer, whose events are passed on as they are.

Only whole events are passed on, so that nothing that the bridge adds can land inside one. An event is known by the
beginning of its first line; only those that begin and end a message are decoded, for the usage and the end.

What precedes the first content block is held back: until then another attempt can take over the answer.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from attrs import define, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.answer_body import BEFORE_JSON, MAX_PAGE_BYTES, looks_like_event_stream
from claude_bridge.core.anthropic_backend.headers import response_headers
from claude_bridge.core.anthropic_backend.usage import UsageCollector, finished
from claude_bridge.core.anthropic_backend.wire_events import (
    WireEvent,
    check_api,
    decoded_object,
    read_event,
    reported_error,
)
from claude_bridge.core.errors import BridgeError, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Usage, Verbatim

STOP: Final = sse.encode(b"message_stop", b'{"type":"message_stop"}')
"""The end of a message, for a backend that leaves it out."""

_CONTENT: Final = (
    *(b"event: content_block_", b"event:content_block_"),
    *(b'data: {"type":"content_block_', b'data: {"type": "content_block_', b'data:{"type":"content_block_'),
)
_CONTENT_TYPE: Final = "content_block_"

_LINE_END: Final = rb"(?:\r\n|\n|\r(?!\n))"
_BLANK_LINE: Final = re.compile(_LINE_END + _LINE_END)
_LONGEST_BLANK_LINE: Final = 4


_OBJECT_BYTES: Final = 41
"""What an event that is held back takes in memory besides its bytes: a comment may have three."""


class _Part(Enum):
    """What an event means for the answer."""

    OPENING = "opening"
    CONTENT = "content"
    ENDING = "ending"
    LAST = "last"
    FAILURE = "failure"
    OTHER = "other"


_PARTS: Final = {"message_start": _Part.OPENING, "message_delta": _Part.ENDING, "message_stop": _Part.LAST}


@define(kw_only=True)
class StreamReader:
    """Implements `claude_bridge.core.backend_api.AnswerReader`.

    ::

        held back --- the first content block, or the end ---> passing on --- the end ---> done

    An error event before the stop reason is a failure, from wherever; so is a body that is no event stream.

    :ivar max_event: bytes of the largest event.
    :ivar data_event_seen: whether the backend has sent anything that is not a keep-alive.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: one that it reported after the stop reason, which ends the answer normally.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: always "": this API has none.
    :ivar done: whether `Finished` was returned; everything later is ignored.
    """

    max_event: int = sse.MAX_EVENT_BYTES
    data_event_seen: bool = field(default=False, init=False)
    failure: object = field(default=None, init=False)
    late_failure: object = field(default=None, init=False)
    error: BridgeError | None = field(default=None, init=False)
    fingerprint: str = field(default="", init=False)
    done: bool = field(default=False, init=False)
    _headers: tuple[tuple[str, str], ...] = field(default=(), init=False)
    _pending: bytearray = field(factory=bytearray, init=False)
    _opening: list[bytes] = field(factory=list, init=False)
    _ending: list[bytes] = field(factory=list, init=False)
    _held: int = field(default=0, init=False)
    _passing: bool = field(default=False, init=False)
    _counts: UsageCollector = field(factory=UsageCollector, init=False)
    _new_usage: Usage | None = field(default=None, init=False)
    _stop: dict[str, Any] = field(factory=dict, init=False)
    _begun: bool = field(default=False, init=False)
    _has_cr: bool = field(default=False, init=False)
    _whole: bool = field(default=False, init=False)

    @property
    def finish_seen(self) -> bool:
        """Whether the stop reason has come; only the end may follow."""
        return bool(self._stop)

    @property
    def reported_usage(self) -> Usage | None:
        """Return the backend's counts as long as nothing was passed on; later they are with what is passed on.

        The API counts at the beginning and at the end: in between its counts say nothing about the answer.
        """
        return None if self._passing else self._counts.usage()

    def begin(self, headers: Mapping[str, str]) -> None:
        """Note the headers of the response; those that concern the client go with the first part."""
        self._headers = response_headers(headers)

    def feed(self, data: bytes) -> list[Event]:
        """Read body bytes and return the events they complete; check `failure` and `error` afterwards."""
        if (
            self._passing
            and not self._pending
            and data.startswith(_CONTENT)
            and data.find(b"\n\n") == len(data) - 2
            and b"\r" not in data
            and len(data) <= self.max_event
            and not self._is_over()
        ):
            return [Verbatim(data)]
        if self._is_over():
            return []
        events = self._read(self._whole_events(data))
        if len(self._pending) > self.max_event and not self._is_over():
            self.error = self._too_large("an answer in one piece" if self._whole else "a single event")
        return events

    def close(self) -> list[Event]:
        """Return the last events, at the end of the body; sets `error` to `UpstreamCut` if the answer is unfinished."""
        if self._is_over():
            return []
        if self._whole:
            try:
                self._judge_whole()
            except UpstreamProtocolError as problem:
                self.error = problem
            return []
        events = self._read(self._last_event())
        return events if self._is_over() else events + self._end_without_mark()

    def _is_over(self) -> bool:
        return self.done or self.failure is not None or self.error is not None

    # --- bytes to events --------------------------------------------------------------------------------------

    def _whole_events(self, data: bytes) -> list[bytes]:
        """Return the bytes of the events that are complete by now, each with its blank line, up to one too large."""
        pending = self._pending
        searched = max(0, len(pending) - _LONGEST_BLANK_LINE)
        pending += data
        self._has_cr = self._has_cr or b"\r" in data
        if not self._begun:
            self._begin_body(data.lstrip(BEFORE_JSON)[:1])
        events: list[bytes] = []
        done = 0
        for end in () if self._whole else _ends(pending, searched, has_cr=self._has_cr):
            if end - done > self.max_event:
                break
            events.append(bytes(memoryview(pending)[done:end]))
            done = end
        del pending[:done]
        return events

    def _begin_body(self, first: bytes) -> None:
        """Distinguish a whole JSON answer from a stream by its first byte, whatever the content type says."""
        if first:
            self._begun, self._whole = True, first in b"{["
            self.data_event_seen = self._whole

    def _too_large(self, what: str) -> UpstreamProtocolError:
        return UpstreamProtocolError(f"the backend sent {what} of more than {self.max_event} bytes")

    def _last_event(self) -> list[bytes]:
        """Return the event that lacks only its blank line, with one: without it the client would ignore the event."""
        rest = bytes(self._pending)
        decoder = sse.Decoder(sys.maxsize)
        frames = decoder.feed(rest) + decoder.close()
        self._pending.clear()
        if not frames or read_event(frames[-1][1]) is None:
            self._pending += rest
            return []
        return [rest + (b"\n" if rest.endswith((b"\n", b"\r")) else b"\n\n")]

    # --- events to what is passed on --------------------------------------------------------------------------

    def _read(self, wire_events: list[bytes]) -> list[Event]:
        """Return what is passed on of these events, in one piece."""
        passed: list[bytes] = []
        for wire_event in wire_events:
            if self._passing and wire_event.startswith(_CONTENT):
                passed.append(wire_event)
                continue
            try:
                part = self._part(wire_event)
            except UpstreamProtocolError as problem:
                self.error = problem
                break
            if part is _Part.FAILURE:
                if self.late_failure is None:
                    break
                wire_event, part = STOP, _Part.LAST  # noqa: PLW2901 - the answer is complete
            if self._passing or part in {_Part.CONTENT, _Part.LAST}:
                self._passing = True
                passed.append(wire_event)
            else:
                self._hold(wire_event)
            if part is _Part.LAST:
                self.done = True
            if self._is_over():
                break
        return self._delivered(passed)

    def _delivered(self, passed: list[bytes]) -> list[Event]:
        if not passed:
            return []
        usage, self._new_usage = self._new_usage, None
        headers, self._headers = self._headers, ()
        part = Verbatim(b"".join((*self._ending, *passed)), b"".join(self._opening), usage, headers)
        self._opening.clear()
        self._ending.clear()
        return [part, finished(self._stop, self._counts.usage())] if self.done else [part]

    def _hold(self, wire_event: bytes) -> None:
        """Keep an event for the first part: before its data, or in it once the message is ending."""
        (self._ending if self.finish_seen else self._opening).append(wire_event)
        self._held += len(wire_event) + _OBJECT_BYTES
        if self._held > self.max_event:
            self.error = self._too_large("a beginning without content")

    def _part(self, wire_event: bytes) -> _Part:
        """Return what an event means; usage, stop reason and failure are noted."""
        part = _Part.OTHER
        for name, data in sse.Decoder(sys.maxsize).feed(wire_event):
            if name != b"ping":
                part = self._meaning(name.decode("utf-8", "replace"), data)
        return part

    def _meaning(self, name: str, data: bytes) -> _Part:
        if name.startswith(_CONTENT_TYPE):
            self.data_event_seen = True
            return _Part.CONTENT
        event = read_event(data)
        if event is None:
            return self._without_json(name, data)
        check_api(event)
        kind = event.kind or name
        if kind == "ping":
            return _Part.OTHER
        self.data_event_seen = True
        if kind == "error" or name == "error" or (not kind and strict_json.present(event.error)):
            return self._fail(reported_error(data))
        self._note(kind, event)
        return _Part.CONTENT if kind.startswith(_CONTENT_TYPE) else _PARTS.get(kind, _Part.OTHER)

    def _without_json(self, name: str, data: bytes) -> _Part:
        """Return what an event means whose data is no object; raises `UpstreamProtocolError` if it should be one."""
        if name == "error":
            return self._fail({"error": data.decode("utf-8", "replace")})
        if (name in _PARTS or data.startswith(b"{")) and not self.finish_seen:
            raise UpstreamProtocolError("the backend sent an event with broken JSON")
        return _Part.OTHER

    def _note(self, kind: str, event: WireEvent) -> None:
        """Note usage and stop reason, of which the last ones count."""
        if kind == "message_start":
            started = read_event(event.message) if event.message else None
            reported = started is not None and self._counts.add(started.usage)
        elif kind == "message_delta":
            reported = self._counts.add(event.usage)
            stop = decoded_object(event.delta)
            if stop.get("stop_reason"):
                self._stop = stop
        else:
            return
        if reported:
            self._new_usage = self._counts.usage()

    # --- other ends -------------------------------------------------------------------------------------------

    def _fail(self, failure: object) -> _Part:
        if self.finish_seen:
            self.late_failure = failure
        else:
            self.failure = failure
        return _Part.FAILURE

    def _end_without_mark(self) -> list[Event]:
        """End without ``message_stop``: the answer is complete, or cut off, or no stream but a page or some text."""
        if self.finish_seen:
            return self._read([STOP])
        page = (b"".join(self._opening) + bytes(self._pending))[:MAX_PAGE_BYTES]
        if self.data_event_seen or looks_like_event_stream(page):
            self.error = UpstreamCut("the backend closed the connection before its answer was finished")
        else:
            self.failure = {"error": page.decode("utf-8", "replace")}
        return []

    def _judge_whole(self) -> None:
        """Note what a whole JSON answer means where a stream was asked for."""
        body = bytes(self._pending).strip(BEFORE_JSON)
        event = read_event(body)
        if event is None:
            raise UpstreamProtocolError("the backend sent broken JSON instead of a stream")
        check_api(event)
        if event.kind == "error" or strict_json.present(event.error):
            self.failure = reported_error(body)
            return
        raise UpstreamProtocolError(
            "the backend answered with one whole message where a stream was asked for: its Messages API cannot stream"
        )


def _ends(text: bytearray, start: int, *, has_cr: bool) -> list[int]:
    """Return where each event in a text ends, behind its blank line; no blank line begins before ``start``."""
    if has_cr:
        half = len(text) if text.endswith(b"\r\n\r") else None  # the LF of the blank line has yet to come
        return [found.end() for found in _BLANK_LINE.finditer(text, start) if found.end() != half]
    ends = []
    found = text.find(b"\n\n", start)
    while found >= 0:
        ends.append(found + 2)
        found = text.find(b"\n\n", found + 2)
    return ends
