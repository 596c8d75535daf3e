"""The client's side of an exchange: events become bytes, with status, pings and back-pressure.

There are two kinds of `ClientResponse`: `StreamResponse` for clients that stream, `JsonResponse` for the others. Both
hold the status line back until the backend has sent something, so that an error can be answered with its own status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from claude_bridge.config.schema import Limits, Server
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Event, Usage
from claude_bridge.core.messages_api.event_stream import StreamWriter
from claude_bridge.core.messages_api.whole_message import Accumulator
from claude_bridge.edge.buffered_body import BufferedBodyProducer
from claude_bridge.edge.replies import set_json, set_passed_headers, write_error
from claude_bridge.edge.request import BridgeRequest
from claude_bridge.services.callbacks import do_nothing, stop_timer
from claude_bridge.services.interfaces import PushProducer, Sweep

MODEL_HEADER: Final = b"x-claude-bridge-model"


@frozen(kw_only=True)
class ResponseSettings:
    """What a response needs of the running configuration."""

    server: Server
    limits: Limits
    sweep: Sweep
    clock: IReactorTime
    message_id: str


@implementer(IPushProducer)
@define(eq=False, slots=False)
class SwitchableProducer:
    """One push producer for the whole response, which passes pause and resume on to the current attempt.

    Twisted takes one producer per request, but a request may take several attempts. A new attempt is paused at once
    if the client is.

    :ivar paused: whether the client has yet to read what it was sent.
    """

    paused: bool = field(default=False, init=False)
    _current: PushProducer | None = field(default=None, init=False)

    def switch(self, producer: PushProducer | None) -> None:
        """Switch to another attempt.

        The previous one is resumed, so that the rest of its body drains and its connection can be used again.
        """
        before, self._current = self._current, producer
        if self.paused:
            if before is not None:
                before.resumeProducing()
            if producer is not None:
                producer.pauseProducing()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Pause the current attempt: the client is slow."""
        self.paused = True
        if self._current is not None:
            self._current.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Resume the current attempt: the client has caught up."""
        self.paused = False
        if self._current is not None:
            self._current.resumeProducing()

    def close(self) -> None:
        """Forget the attempt, which has ended."""
        self._current = None

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: in the same turn Klein learns that the connection is lost, and cancels the request.

        If the request were ended here, Klein would finish it before Twisted knows that the client is gone.
        """


@define(eq=False)
class EndCallbacks:
    """The callbacks for the end of a response; each is called at most once and then dropped.

    The callbacks refer to the response. If they were kept, every response, with the request decoded for it, would be
    part of a reference cycle that only a full garbage collection finds, minutes and gigabytes later.
    """

    _on_client_left: Callable[[], None] = do_nothing
    _on_finished: Callable[[], None] = do_nothing

    def client_left(self) -> None:
        """Notify the exchange that the client is gone."""
        on_client_left, self._on_client_left = self._on_client_left, do_nothing
        on_client_left()

    def finished(self) -> None:
        """Notify Klein that the response has ended."""
        self._on_client_left = do_nothing
        on_finished, self._on_finished = self._on_finished, do_nothing
        on_finished()


@define(eq=False)
class StreamResponse:
    """A response as a stream of server-sent events. `client_left` ends it from the client's side.

    ::

        waiting --- first bytes of the stream, or `commit_after` seconds ---> streaming
           |                                                                     |
           | `fail`: status and JSON body            `Finished`; `fail`: error event
           v                                                                     v
         ended <-------------------------------------------------------------- ended

    `client_left` ends it in either state. While it waits (``status`` is 0) nothing has been sent. While it streams
    the status is 200, the sweep calls `check`, and a ping is sent when the stream has been silent for too long.
    """

    _request: BridgeRequest
    _settings: ResponseSettings
    _end_callbacks: EndCallbacks = field(factory=EndCallbacks, init=False)
    status: int = field(default=0, init=False)
    first_byte: float | None = field(default=None, init=False)
    _writer: StreamWriter | None = field(default=None, init=False)
    _served_by: bytes = field(default=b"", init=False)
    _producer: SwitchableProducer = field(factory=SwitchableProducer, init=False)
    _commit_timer: IDelayedCall | None = field(default=None, init=False)
    _last_write: float = field(default=0.0, init=False)
    _ended: bool = field(default=False, init=False)

    def on_end(self, *, on_client_left: Callable[[], None], on_finished: Callable[[], None]) -> None:
        """Call ``on_client_left`` when the client leaves, and ``on_finished`` once, however the response ends."""
        self._end_callbacks = EndCallbacks(on_client_left, on_finished)

    @property
    def content_started(self) -> bool:
        """Whether a content block was sent."""
        return self._writer is not None and self._writer.content_started

    @property
    def usage(self) -> Usage | None:
        """The token counts, estimated until the answer is finished; None while there is no content."""
        return self._writer.usage if self._writer is not None else None

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Prepare the stream for an attempt.

        Once the head is sent it names the first candidate, also if another one answers.
        """
        settings = self._settings
        if self._writer is None:
            self._commit_timer = settings.clock.callLater(settings.server.commit_after, self._commit_early)
        if self.status and self._writer is not None:
            self._writer.forget()
        else:
            self._served_by = _printable(served_by)
            self._writer = StreamWriter(
                message_id=settings.message_id,
                model=model,
                input_tokens=input_tokens,
                show_reasoning=show_reasoning,
                max_held=settings.limits.max_held_arguments,
            )

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Switch back-pressure to ``producer``."""
        self._producer.switch(producer)

    def emit(self, events: Sequence[Event]) -> None:
        """Write the events of one upstream read in one write."""
        if self._ended or self._writer is None:
            return
        data = self._writer.write(events)
        if data:
            if self.status:
                self._write(data)
            else:
                self._begin(data)
            if self.first_byte is None and self._writer.content_started:
                self.first_byte = self._last_write
            if self._writer.ended:
                self._finish()

    def fail(self, error: BridgeError) -> None:
        """Answer with the error's own status; if the head was sent already, with an error event."""
        if self._ended:
            return
        if not self.status or self._writer is None:
            self.status = error.http_status
            self._stop()
            write_error(self._request, error, self._request.request_id)
            self._end_callbacks.finished()
            return
        self._write(self._writer.error(error, self._request.request_id))
        self._finish()

    def client_left(self, _done: object = None) -> None:
        """End the response: the client is gone."""
        if not self._ended:
            self._stop()
            self._end_callbacks.client_left()
            self._producer.close()
            self._end_callbacks.finished()

    def check(self, now: float) -> None:
        """Implement `claude_bridge.services.interfaces.Watch`: the sweep calls this every second."""
        self._send_ping_if_silent(now)

    def _send_ping_if_silent(self, now: float) -> None:
        """Send a ping when nothing was sent for ``ping_interval``, unless a slow client has yet to read the rest."""
        silence = now - self._last_write
        if self._writer is not None and not self._producer.paused and silence >= self._settings.server.ping_interval:
            self._write(self._writer.ping())

    def _begin(self, data: bytes) -> None:
        """Send status and headers with the first bytes; from now on an error can only be an event."""
        self.status = 200
        self._stop_commit_timer()
        request = self._request
        request.setResponseCode(200)
        if self._writer is not None:
            set_passed_headers(request, self._writer.headers)
        request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        request.setHeader(b"cache-control", b"no-cache")
        request.setHeader(b"x-accel-buffering", b"no")  # nginx must not hold events back
        request.setHeader(MODEL_HEADER, self._served_by)
        request.registerProducer(self._producer, True)
        self._settings.sweep.add(self)
        self._write(data)
        request.drop_heads()

    def _commit_early(self) -> None:
        """Send the head and the start of the message before the backend has answered, so that pings can follow."""
        self._commit_timer = None
        if not self.status and not self._ended and self._writer is not None:
            self._begin(self._writer.open())

    def _write(self, data: bytes) -> None:
        self._last_write = self._settings.sweep.seconds()
        self._request.write(data)

    def _finish(self) -> None:
        self._stop()
        self._request.unregisterProducer()
        self._request.finish()
        self._end_callbacks.finished()

    def _stop(self) -> None:
        self._ended = True
        self._stop_commit_timer()
        self._settings.sweep.discard(self)

    def _stop_commit_timer(self) -> None:
        timer, self._commit_timer = self._commit_timer, None
        stop_timer(timer)


@define(eq=False)
class JsonResponse:
    """A response as one JSON body; nothing is sent before the answer is complete, so every error keeps its status."""

    _request: BridgeRequest
    _settings: ResponseSettings
    _end_callbacks: EndCallbacks = field(factory=EndCallbacks, init=False)
    status: int = field(default=0, init=False)
    first_byte: float | None = field(default=None, init=False)
    content_started: bool = field(default=False, init=False)
    _accumulator: Accumulator | None = field(default=None, init=False)
    _served_by: bytes = field(default=b"", init=False)
    _body_producer: BufferedBodyProducer | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)

    def on_end(self, *, on_client_left: Callable[[], None], on_finished: Callable[[], None]) -> None:
        """Call ``on_client_left`` when the client leaves, and ``on_finished`` once, however the response ends."""
        self._end_callbacks = EndCallbacks(on_client_left, on_finished)

    @property
    def usage(self) -> Usage | None:
        """The token counts, estimated until the answer is finished; None while there is no content."""
        return self._accumulator.usage if self._accumulator is not None else None

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Begin with an empty message: what a failed attempt has brought is dropped."""
        self._served_by = _printable(served_by)
        self._accumulator = Accumulator(
            message_id=self._settings.message_id,
            model=model,
            input_tokens=input_tokens,
            show_reasoning=show_reasoning,
            max_size=self._settings.limits.max_answer,
        )

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Do nothing: the answer is bounded, and is read as fast as it comes."""

    def emit(self, events: Sequence[Event]) -> None:
        """Collect the events, and send the message when it is finished."""
        if self._ended or self._accumulator is None:
            return
        self._accumulator.add(events)
        if self._accumulator.finished is None:
            return
        self._ended = True
        self.status = 200
        self.first_byte = self._settings.sweep.seconds()
        body = self._accumulator.body()
        set_passed_headers(self._request, self._accumulator.headers)
        self._request.setHeader(MODEL_HEADER, self._served_by)
        set_json(self._request, body)
        self._body_producer = BufferedBodyProducer(self._request, body, self._end_callbacks.finished)
        self._body_producer.start()

    def fail(self, error: BridgeError) -> None:
        """Answer with the error."""
        if not self._ended:
            self._ended = True
            self.status = error.http_status
            write_error(self._request, error, self._request.request_id)
            self._end_callbacks.finished()

    def client_left(self, _done: object = None) -> None:
        """End the response: the client is gone. The exchange is told unless it has delivered the whole answer."""
        if self._body_producer is not None:
            self._body_producer.stopProducing()
        if not self._ended:
            self._ended = True
            self._end_callbacks.client_left()
        self._end_callbacks.finished()


def _printable(name: str) -> bytes:
    """Return a header value for a name that may be the client's own: printable ASCII and nothing else."""
    return re.sub(r"[^ -~]", "?", name).encode("ascii")
