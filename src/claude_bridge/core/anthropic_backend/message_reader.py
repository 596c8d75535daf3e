"""The reader of an answer that is not streamed: a whole message, passed on as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.answer_body import BEFORE_JSON, MAX_PAGE_BYTES, looks_like_event_stream
from claude_bridge.core.anthropic_backend.headers import response_headers
from claude_bridge.core.anthropic_backend.usage import UsageCollector, finished
from claude_bridge.core.anthropic_backend.wire_events import (
    WireEvent,
    check_api,
    decoded,
    read_event,
    reported_error,
)
from claude_bridge.core.errors import BridgeError, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Usage, Verbatim

_STOP_FIELDS: Final = ("stop_reason", "stop_sequence", "stop_details")

_LONGEST_START: Final = 32
_LONGEST_NAME: Final = len(b"event:")
"""Bytes of a body that are looked at, and that are needed, to recognise an event stream."""


@define(kw_only=True)
class MessageReader:
    """Implements `claude_bridge.core.backend_api.AnswerReader`.

    :ivar max_answer: bytes of the largest message.
    :ivar data_event_seen: whether the backend has sent anything but white space.
    :ivar failure: an error that the backend reported instead of a message, decoded, else None.
    :ivar late_failure: always None: nothing follows a message.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: always "": this API has none.
    :ivar reported_usage: always None: a message has its counts with it, and an error has none.
    :ivar done: whether `Finished` was returned; everything later is ignored.
    """

    max_answer: int = 4 * sse.DEFAULT_LIMIT
    data_event_seen: bool = field(default=False, init=False)
    failure: object = field(default=None, init=False)
    late_failure: object = field(default=None, init=False)
    error: BridgeError | None = field(default=None, init=False)
    fingerprint: str = field(default="", init=False)
    reported_usage: Usage | None = field(default=None, init=False)
    done: bool = field(default=False, init=False)
    _headers: tuple[tuple[str, str], ...] = field(default=(), init=False)
    _pieces: list[bytes] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _start: bytes = field(default=b"", init=False)

    @property
    def finish_seen(self) -> bool:
        """Whether the answer is complete, which only its end says."""
        return self.done

    def begin(self, headers: Mapping[str, str]) -> None:
        """Note the headers of the response; those that concern the client go with the message."""
        self._headers = response_headers(headers)

    def feed(self, data: bytes) -> list[Event]:
        """Keep body bytes; nothing is returned before the end. Check `error` afterwards."""
        if self._is_over():
            return []
        self._pieces.append(data)
        self._size += len(data)
        if len(self._start) < _LONGEST_START:
            self._start = (self._start + data[:_LONGEST_START]).lstrip(BEFORE_JSON)
            self.data_event_seen = bool(self._start)
        if self._size > self.max_answer:
            self._give_up(UpstreamProtocolError(f"the backend sent an answer of more than {self.max_answer} bytes"))
        elif len(self._start) >= _LONGEST_NAME and looks_like_event_stream(self._start):
            self._give_up(
                UpstreamProtocolError("the backend answered with a stream where a whole message was asked for")
            )
        return []

    def close(self) -> list[Event]:
        """Return the message and its end; sets `error` or `failure` if the body is none."""
        if self._is_over():
            return []
        body = b"".join(self._pieces)
        self._pieces.clear()
        try:
            return self._read(body)
        except (UpstreamCut, UpstreamProtocolError) as problem:
            self._give_up(problem)
            return []

    def _read(self, body: bytes) -> list[Event]:
        text = body.strip(BEFORE_JSON)
        message = read_event(text)
        if message is None:
            if not text or strict_json.is_truncated(text):
                raise UpstreamCut("the backend closed the connection before its answer was finished")
            if text.startswith(b"{"):
                raise UpstreamProtocolError("the backend sent broken JSON instead of a message")
            self.failure = {"error": text[:MAX_PAGE_BYTES].decode("utf-8", "replace")}
            return []
        check_api(message)
        if message.kind == "error" or (strict_json.present(message.error) and not message.content):
            self.failure = reported_error(text)
            return []
        if message.kind != "message" and not message.content:
            raise UpstreamProtocolError("the backend sent JSON that is neither a message nor an error")
        return self._finish(body, message)

    def _finish(self, body: bytes, message: WireEvent) -> list[Event]:
        counts = UsageCollector()
        counts.add(message.usage)
        usage = counts.usage()
        stop = {name: decoded(getattr(message, name)) for name in _STOP_FIELDS}
        self.done = True
        return [Verbatim(body, usage=usage, headers=self._headers), finished(stop, usage)]

    def _is_over(self) -> bool:
        return self.done or self.failure is not None or self.error is not None

    def _give_up(self, problem: BridgeError) -> None:
        self._pieces.clear()
        self.error = problem
