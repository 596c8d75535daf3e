"""One upstream request and how it ends. Owns the reader, the body and the timers of that request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import AnswerReader, BackendKind, Clues, UpstreamFailure
from claude_bridge.core.errors import BridgeError, InternalFault, UpstreamError
from claude_bridge.core.events import Event, Finished
from claude_bridge.services.interfaces import (
    PushProducer,
    ResponseHead,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)

MAX_ERROR_BODY_BYTES: Final = 64 * 1024
"""Bytes of an error answer that are read; what says why it failed stands at the beginning."""

_OK: Final = 200

Outcome = Finished | UpstreamFailure | BridgeError
"""How an attempt ends: with a finished answer, by a failure that the backend reports, or by one that we observe."""


class EventSink(Protocol):
    """Who gets an attempt's events."""

    def producing(self, producer: PushProducer) -> None:
        """A body begins that may have to be held back."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Take one read's events, `Finished` possibly the last; raises `UpstreamError` if they cannot be held."""


class Discarded:
    """The sink of an attempt that is over: the real one must not be kept alive by it."""

    def producing(self, producer: PushProducer) -> None:
        """Do nothing."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Do nothing."""


DISCARDED: Final = Discarded()


@define(eq=False)
class Attempt:
    """Implements `UpstreamReceiver`.

    :ivar status: of the upstream answer, once its head is there.
    :ivar first_event: when the first data event came (seconds, monotonic).
    :ivar over: the outcome is known, or the attempt was closed.
    """

    _kind: BackendKind
    _reader: AnswerReader
    _sink: EventSink
    _seconds: Callable[[], float]
    _unix_time: Callable[[], float]
    status: int | None = field(default=None, init=False)
    first_event: float | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)
    _outcome: Deferred[Outcome] | None = field(default=None, init=False)
    _head: ResponseHead | None = field(default=None, init=False)
    _error_body: list[bytes] = field(factory=list, init=False)
    _error_size: int = field(default=0, init=False)
    _call: UpstreamCall | None = field(default=None, init=False)
    _finish_told: bool = field(default=False, init=False)

    def clues(self) -> Clues:
        """Return what the answer says of the backend that gave it."""
        error: object = None
        if self._error_body:
            with contextlib.suppress(strict_json.JsonError):
                error = strict_json.decode(b"".join(self._error_body))
        headers = self._head.headers if self._head is not None else {}
        return Clues(fingerprint=self._reader.fingerprint, headers=headers, error=error)

    @property
    def late_failure(self) -> UpstreamFailure | None:
        """Return the error that the backend reported after the answer's finish reason, or None."""
        late = self._reader.late_failure
        return None if late is None else self._kind.read_error(late)

    def start(self, client: UpstreamClient, request: UpstreamRequest) -> Deferred[Outcome]:
        """Send the request; fires with the outcome. Whoever cancels that closes the upstream connection."""
        self._call = client.send(request, self)
        # the Deferred's canceller leads back to here: it is let go when it fires, so that nothing waits for a collector
        self._outcome = Deferred(lambda _: self.close())
        return self._outcome

    def close(self) -> None:
        """Close the upstream connection, whatever it is doing, and report nothing more."""
        self.over, self._sink, self._outcome = True, DISCARDED, None
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:
        """Take status and headers."""
        self._head = head
        self.status = head.status
        if self.over:
            return
        if head.status == _OK:
            self._sink.producing(producer)
        elif self._call is not None:
            self._call.finish_seen()  # the rest of a refusal is not worth a long wait

    def data_received(self, data: bytes) -> None:
        """Take body bytes."""
        if self.over:
            return  # the answer is finished; the rest only lets the connection be used again
        if self.status != _OK:
            self._keep_error(data)
            return
        self._report(self._reader.feed(data))

    def ended(self, error: BridgeError | None) -> None:
        """Take the end of the body, or of the wait for it."""
        self._call = None
        if self.over:
            if isinstance(error, InternalFault):
                self._end(error)  # our own code broke over the end of the answer
            return
        if self._head is not None and self.status != _OK:
            self._fail(self._refusal(self._head))
        elif error is not None and not self._reader.finish_seen:
            self._fail(error)
        else:
            self._report(self._reader.close())
            if not self.over:
                self._fail(error or self._reader.error)

    def _keep_error(self, data: bytes) -> None:
        """Keep the beginning; a refusal without end is closed there."""
        self._error_body.append(data[: MAX_ERROR_BODY_BYTES - self._error_size])
        self._error_size += len(data)
        if self._error_size > MAX_ERROR_BODY_BYTES and self._head is not None:
            self._fail(self._refusal(self._head))

    def _refusal(self, head: ResponseHead) -> UpstreamFailure:
        body = b"".join(self._error_body)
        return self._kind.read_refusal(head.status, head.headers, body, now=self._unix_time())

    def _report(self, events: list[Event]) -> None:
        """Pass on what one read gave, and end with the answer or with what is wrong with it."""
        reader = self._reader
        if not self._finish_told:
            self._tell_timers()
        elif events and self._call is not None:
            self._call.finish_seen()  # content after the finish reason: the grace begins anew, nothing is cut off
        if events:
            last = events[-1]
            self.over = type(last) is Finished
            try:
                self._sink.deliver(events)
            except UpstreamError as error:
                self.over = False
                self._fail(error)
                return
            if type(last) is Finished:
                self._end(last)
        if self.over:
            return
        if reader.failure is not None:
            self._fail(self._kind.read_error(reader.failure))
        elif reader.error is not None:
            self._fail(reader.error)

    def _tell_timers(self) -> None:
        if self._reader.data_event_seen and self.first_event is None:
            self.first_event = self._seconds()
            if self._call is not None:
                self._call.data_event_seen()
        if self._reader.finish_seen or self._reader.done:
            self._finish_told = True
            if self._call is not None:
                self._call.finish_seen()

    def _fail(self, outcome: BridgeError | UpstreamFailure | None) -> None:
        """Report a failure once, with the connection closed: what it still had to say counts no more."""
        if self.over or outcome is None:
            return
        waiting = self._outcome
        self.close()
        self._outcome = waiting
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """Say how it ended, once."""
        waiting, self._outcome, self._sink = self._outcome, None, DISCARDED
        if waiting is not None:
            waiting.callback(outcome)
