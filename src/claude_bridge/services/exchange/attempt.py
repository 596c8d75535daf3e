"""One upstream request and how it ends. Owns the reader, the error body and the call of that request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import AnswerReader, BackendKind, Clues, UpstreamFailure
from claude_bridge.core.errors import BridgeError, InternalFault, UpstreamError
from claude_bridge.core.events import Event, Finished, PromptSizeReported, Started, Usage
from claude_bridge.services.interfaces import (
    PushProducer,
    ResponseHead,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)

MAX_ERROR_BODY_BYTES: Final = 64 * 1024
"""Bytes of an error body that are read; the reason is at its beginning."""

_OK: Final = 200
_BEFORE_WORDS: Final = frozenset({Started, Finished})

Outcome = Finished | UpstreamFailure | BridgeError
"""How an attempt ends: with a finished answer, with a failure that the backend reports, or with one that we observe."""


class EventSink(Protocol):
    """Receives an attempt's events."""

    def producing(self, producer: PushProducer) -> None:
        """Accept the producer of a body that begins; it may be paused."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Accept the events of one read, `Finished` last if at all; raise `UpstreamError` if they cannot be held."""


class DiscardingSink:
    """The sink of an attempt that has ended: the attempt must not keep the real one alive."""

    def producing(self, producer: PushProducer) -> None:
        """Do nothing."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Do nothing."""


DISCARD: Final = DiscardingSink()


@define(eq=False)
class Attempt:
    """Implements `UpstreamReceiver` for one request, and reports its outcome once.

    ::

        sent --- head 200 ---> answering --- `Finished`, an error in the stream, the body's end ---> over
          |
          +----- other status -> refused --- the body's end, `MAX_ERROR_BODY_BYTES` ---------------> over

    A transport error leads to over from everywhere, and so does `close`, which reports nothing. After `Finished` the
    call stays open, so that the rest of the body is read and the connection can be used again.

    :ivar status: of the upstream response, once its head has arrived.
    :ivar first_event: when the first data event arrived (seconds, monotonic).
    :ivar first_token: when the model's first word arrived (seconds, monotonic).
    :ivar reading: the backend's last word on the prompt's size before the model's first, or None.
    :ivar over: the outcome is known, or the attempt was closed.
    """

    _kind: BackendKind
    _reader: AnswerReader
    _sink: EventSink
    _request: UpstreamRequest | None  # None once it is sent: its body is as large as the client's
    _seconds: Callable[[], float]
    _unix_time: Callable[[], float]
    status: int | None = field(default=None, init=False)
    first_event: float | None = field(default=None, init=False)
    first_token: float | None = field(default=None, init=False)
    reading: PromptSizeReported | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)
    _outcome: Deferred[Outcome] | None = field(default=None, init=False)
    _head: ResponseHead | None = field(default=None, init=False)
    _error_body: bytes = field(default=b"", init=False)
    _call: UpstreamCall | None = field(default=None, init=False)
    _in_grace: bool = field(default=False, init=False)

    def clues(self) -> Clues:
        """Return what the response reveals about the backend."""
        error: object = None
        if self._error_body:
            with contextlib.suppress(strict_json.JsonError):
                error = strict_json.decode(self._error_body)
        headers = self._head.headers if self._head is not None else {}
        return Clues(fingerprint=self._reader.fingerprint, headers=headers, error=error)

    @property
    def late_failure(self) -> UpstreamFailure | None:
        """Return the error that the backend reported after the answer's finish reason, or None."""
        late = self._reader.late_failure
        return None if late is None else self._kind.read_error(late)

    @property
    def reported_usage(self) -> Usage | None:
        """Return the backend's own counts so far; None if there are none, or none of an answer that has begun."""
        usage = self._reader.reported_usage
        return usage if usage is None or usage.output_tokens or self.first_token is None else None

    def start(self, client: UpstreamClient) -> Deferred[Outcome]:
        """Send the request; the Deferred fires with the outcome. Cancelling it closes the upstream connection."""
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("an attempt is started once")
        self._call = client.send(request, self)
        # its canceller refers to this object, so it is dropped when it fires: no cycle is left to the garbage collector
        self._outcome = Deferred(self._cancelled)
        return self._outcome

    def _cancelled(self, _outcome: Deferred[Outcome]) -> None:
        self.close()

    def close(self) -> None:
        """Close the upstream connection in whatever state it is, and report nothing more."""
        self.over, self._sink, self._outcome = True, DISCARD, None
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:
        """Note status and headers."""
        self._head = head
        self.status = head.status
        if self.over:
            return
        if head.status == _OK:
            self._reader.begin(head.headers)
            self._sink.producing(producer)
        elif self._call is not None:
            self._call.finish_seen()  # the short limit: an error body is not worth a long wait

    def data_received(self, data: bytes) -> None:
        """Read body bytes."""
        if self.over:
            return  # the answer is finished; the rest is read only so that the connection can be used again
        if self.status != _OK:
            self._keep_error(data)
            return
        self._report(self._reader.feed(data))

    def ended(self, error: BridgeError | None) -> None:
        """Conclude the attempt: the body, or the wait for it, has ended.

        If our own code raises, the outcome is that: nothing else would ever report one, and the client would wait.
        """
        self._call = None
        try:
            self._conclude(error)
        except Exception:
            self._end(InternalFault("the bridge failed over the end of the backend's answer"))
            raise

    def _conclude(self, error: BridgeError | None) -> None:
        if self.over:
            if isinstance(error, InternalFault):
                self._end(error)  # our own code raised while it handled the end of the answer
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
        """Store the beginning of an error body; close the attempt if the body exceeds the limit."""
        room = MAX_ERROR_BODY_BYTES - len(self._error_body)
        self._error_body += data[:room]
        if len(data) > room and self._head is not None:
            self._fail(self._refusal(self._head))

    def _refusal(self, head: ResponseHead) -> UpstreamFailure:
        return self._kind.read_refusal(head.status, head.headers, self._error_body, now=self._unix_time())

    def _report(self, events: list[Event]) -> None:
        """Deliver the events of one read, and report the outcome if it is known by now."""
        reader, last = self._reader, events[-1] if events else None
        if self.first_token is None:
            self._note_beginning(events)
        if self._call is not None and (reader.finish_seen or type(last) is Finished):
            if events or not self._in_grace:  # content after the finish reason restarts the grace: nothing is cut off
                self._call.finish_seen()
            self._in_grace = True
        if events:
            self.over = type(last) is Finished  # before `deliver`, which may close this attempt
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

    def _note_beginning(self, events: list[Event]) -> None:
        """Note the first data event, and the model's first word: what precedes it tells how far the prompt was read."""
        if self.first_event is None and self._reader.data_event_seen:
            self.first_event = self._seconds()
            if self._call is not None:
                self._call.data_event_seen()
        for each in events:
            if isinstance(each, PromptSizeReported):
                self.reading = each
            elif type(each) not in _BEFORE_WORDS:
                self.first_token = self._seconds()
                return

    def _fail(self, outcome: BridgeError | UpstreamFailure | None) -> None:
        """Close the connection and report a failure, once: the rest of the body does not count any more."""
        if self.over or outcome is None:
            return
        waiting = self._outcome
        self.close()
        self._outcome = waiting
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """Report the outcome, once."""
        waiting, self._outcome, self._sink = self._outcome, None, DISCARD
        if waiting is not None:
            waiting.callback(outcome)
