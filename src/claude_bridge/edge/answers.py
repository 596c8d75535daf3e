"""The client's side of an answer: what dispatch gives becomes bytes, pings, status, back-pressure.

Two kinds of `ClientResponse`: `StreamResponse` for clients that stream, `JsonResponse` for the rest. Both
hold their status back until the backend has shown something, so that an error keeps its own.
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
from claude_bridge.edge.pour import BufferedBodyProducer
from claude_bridge.edge.replies import set_json, write_error
from claude_bridge.edge.site import BridgeRequest
from claude_bridge.services.interfaces import PushProducer, Sweep

MODEL_HEADER: Final = b"x-claude-bridge-model"


@frozen(kw_only=True)
class ResponseSettings:
    """What answers need of the running configuration."""

    server: Server
    limits: Limits
    sweep: Sweep
    clock: IReactorTime
    message_id: str


@implementer(IPushProducer)
@define(eq=False, slots=False)
class SwitchableProducer:
    """One push producer for the whole answer, which passes pause and resume to the attempt of the moment.

    Twisted takes one producer a request, but attempts may change; a new one learns that it is to wait.

    :ivar paused: whether the client still has to take what it was sent.
    """

    paused: bool = field(default=False, init=False)
    _current: PushProducer | None = field(default=None, init=False)

    def switch(self, producer: PushProducer | None) -> None:
        """Turn to another attempt; the one before may run out freely, so that its connection can be used again."""
        before, self._current = self._current, producer
        if self.paused:
            if before is not None:
                before.resumeProducing()
            if producer is not None:
                producer.pauseProducing()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client is slow."""
        self.paused = True
        if self._current is not None:
            self._current.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client has caught up."""
        self.paused = False
        if self._current is not None:
            self._current.resumeProducing()

    def close(self) -> None:
        """Let go of the attempt, which is over."""
        self._current = None

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Leave it to Klein, which learns in the same turn that the connection is lost and cancels the request.

        Ending the request here would make Klein finish it before Twisted knows that nobody listens.
        """


def _nothing() -> None:
    """Do nothing."""


@define(eq=False)
class EndCallbacks:
    """Whom an answer tells of its end. Each hears of it once and is let go of, so that the answer outlives nobody.

    They hold the answer in turn: without this every answer, and the request decoded for it, would be garbage that
    only the next full collection finds, minutes and gigabytes later.
    """

    _cancel: Callable[[], None] = _nothing
    _done: Callable[[], None] = _nothing

    def left(self) -> None:
        """Tell dispatch that the client is gone."""
        cancel, self._cancel = self._cancel, _nothing
        cancel()

    def over(self) -> None:
        """Tell Klein that the answer is over."""
        self._cancel = _nothing
        done, self._done = self._done, _nothing
        done()


@define(eq=False)
class StreamResponse:
    """A streamed answer. `leave` ends it from the client's side."""

    _request: BridgeRequest
    _settings: ResponseSettings
    _ties: EndCallbacks = field(factory=EndCallbacks, init=False)
    status: int = field(default=0, init=False)
    first_byte: float | None = field(default=None, init=False)
    _writer: StreamWriter | None = field(default=None, init=False)
    _label: bytes = field(default=b"", init=False)
    _faucet: SwitchableProducer = field(factory=SwitchableProducer, init=False)
    _commit: IDelayedCall | None = field(default=None, init=False)
    _last_write: float = field(default=0.0, init=False)
    _over: bool = field(default=False, init=False)

    def tie(self, *, cancel: Callable[[], None], done: Callable[[], None]) -> None:
        """Call ``cancel`` when the client leaves, and ``done`` once, however the answer ends."""
        self._ties = EndCallbacks(cancel, done)

    @property
    def content_started(self) -> bool:
        """Whether a content block is out."""
        return self._writer is not None and self._writer.content_started

    @property
    def usage(self) -> Usage | None:
        """The counts of the answer, estimated while it is not finished; None while it has said nothing."""
        return self._writer.usage if self._writer is not None else None

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Prepare the stream for who answers; after the commit the first choice's name stays."""
        settings = self._settings
        if self._writer is None:
            self._commit = settings.clock.callLater(settings.server.commit_after, self._commit_early)
        if self.status and self._writer is not None:
            self._writer.forget()
        else:
            self._label = _printable(served_by)
            self._writer = StreamWriter(
                message_id=settings.message_id,
                model=model,
                input_tokens=input_tokens,
                show_reasoning=show_reasoning,
                max_held=settings.limits.max_held_arguments,
            )

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Switch back-pressure."""
        self._faucet.switch(producer)

    def emit(self, events: Sequence[Event]) -> None:
        """Write one read's events in one write."""
        if self._over or self._writer is None:
            return
        data = self._writer.write(events)
        if data:
            if not self.status:
                self._begin()
            self._write(data)
            if self.first_byte is None and self._writer.content_started:
                self.first_byte = self._last_write
            if self._writer.ended:
                self._finish()

    def fail(self, error: BridgeError) -> None:
        """Answer with the error's own status, or where that is too late with an error event."""
        if self._over:
            return
        if not self.status or self._writer is None:
            self.status = error.status
            self._stop()
            write_error(self._request, error, self._request.request_id)
            self._ties.over()
            return
        self._write(self._writer.error(error, self._request.request_id))
        self._finish()

    def leave(self) -> None:
        """The client is gone."""
        if not self._over:
            self._stop()
            self._ties.left()
            self._faucet.close()
            self._ties.over()

    def check(self, now: float) -> None:
        """Ping in silence, but not on top of what a slow client has still to take."""
        silence = now - self._last_write
        if self._writer is not None and not self._faucet.paused and silence >= self._settings.server.ping_interval:
            self._write(self._writer.ping())

    def _begin(self) -> None:
        """Send the head; from here on there is only the stream."""
        self.status = 200
        self._stop_commit()
        request = self._request
        request.setResponseCode(200)
        request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        request.setHeader(b"cache-control", b"no-cache")
        request.setHeader(b"x-accel-buffering", b"no")
        request.setHeader(MODEL_HEADER, self._label)
        request.registerProducer(self._faucet, True)
        self._settings.sweep.add(self)

    def _commit_early(self) -> None:
        """Stop waiting for the backend: send the head and the start of the message, so that pings can flow."""
        self._commit = None
        if not self.status and not self._over and self._writer is not None:
            self._begin()
            self._write(self._writer.open())

    def _write(self, data: bytes) -> None:
        self._last_write = self._settings.sweep.seconds()
        self._request.write(data)

    def _finish(self) -> None:
        self._stop()
        self._request.unregisterProducer()
        self._request.finish()
        self._ties.over()

    def _stop(self) -> None:
        self._over = True
        self._stop_commit()
        self._settings.sweep.discard(self)

    def _stop_commit(self) -> None:
        commit, self._commit = self._commit, None
        if commit is not None and commit.active():
            commit.cancel()


@define(eq=False)
class JsonResponse:
    """An answer in one piece; it never commits early, so every error keeps its status."""

    _request: BridgeRequest
    _settings: ResponseSettings
    _ties: EndCallbacks = field(factory=EndCallbacks, init=False)
    status: int = field(default=0, init=False)
    first_byte: float | None = field(default=None, init=False)
    content_started: bool = field(default=False, init=False)
    _accumulator: Accumulator | None = field(default=None, init=False)
    _label: bytes = field(default=b"", init=False)
    _pour: BufferedBodyProducer | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    def tie(self, *, cancel: Callable[[], None], done: Callable[[], None]) -> None:
        """Call ``cancel`` when the client leaves, and ``done`` once, however the answer ends."""
        self._ties = EndCallbacks(cancel, done)

    @property
    def usage(self) -> Usage | None:
        """The counts of the answer, estimated while it is not finished; None while it has said nothing."""
        return self._accumulator.usage if self._accumulator is not None else None

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Begin again with nothing: another attempt may say something else."""
        self._label = _printable(served_by)
        self._accumulator = Accumulator(
            message_id=self._settings.message_id,
            model=model,
            input_tokens=input_tokens,
            show_reasoning=show_reasoning,
            max_size=self._settings.limits.max_answer,
        )

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Do nothing: the answer is bounded, and read as fast as it comes."""

    def emit(self, events: Sequence[Event]) -> None:
        """Put the answer together, and send it when it is finished."""
        if self._over or self._accumulator is None:
            return
        self._accumulator.add(events)
        if self._accumulator.finished is None:
            return
        self._over = True
        self.status = 200
        self.first_byte = self._settings.sweep.seconds()
        body = self._accumulator.body()
        self._request.setHeader(MODEL_HEADER, self._label)
        set_json(self._request, body)
        self._pour = BufferedBodyProducer(self._request, body, self._ties.over)
        self._pour.start()

    def fail(self, error: BridgeError) -> None:
        """Answer with the error."""
        if not self._over:
            self._over = True
            self.status = error.status
            write_error(self._request, error, self._request.request_id)
            self._ties.over()

    def leave(self) -> None:
        """The client is gone; dispatch hears of it unless it has given everything already."""
        if self._pour is not None:
            self._pour.stopProducing()
        if not self._over:
            self._over = True
            self._ties.left()
        self._ties.over()


def _printable(name: str) -> bytes:
    """Make a header's value of a name that may be the client's own: printable ASCII and nothing else."""
    return re.sub(r"[^ -~]", "?", name).encode("ascii")
