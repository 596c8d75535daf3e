"""Requests of the doctor to a backend: a small one by its path, or a conversation that is sent as an exchange would.

Both go through the bridge's own client. A conversation is translated by the backend's kind; where a refusal says how to
ask again, it is asked again that way, as an exchange does, and what was changed is part of the answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from claude_bridge.config.dialects import key_header
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import (
    Adjustment,
    AnswerLimits,
    AnswerReader,
    BackendKind,
    NeutralRequest,
    OriginalRequest,
    Prepared,
    Target,
    UpstreamFailure,
)
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.errors import BridgeError, InvalidRequest, UpstreamTimeout
from claude_bridge.core.events import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.retry import RetryBudget
from claude_bridge.core.tokens.request_count import count
from claude_bridge.release import product
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.outgoing import upstream_request
from claude_bridge.services.fetch import address
from claude_bridge.services.interfaces import (
    PushProducer,
    ResponseHead,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)

SMALL_SECONDS: Final = 10.0
"""How long a small request may take: a list of models is there at once, or the server is busy."""

CHAT_SECONDS: Final = 180.0
"""How long a backend may be silent before it answers a conversation: a processor reads 2,000 tokens a minute."""

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
MAX_RAW_BYTES: Final = 64 * 1024
LIMITS: Final = AnswerLimits(max_event=8 * 1024 * 1024, max_held_arguments=1024 * 1024, max_answer=8 * 1024 * 1024)

_OK: Final = 200


@frozen(kw_only=True)
class Reply:
    """The response to a small request.

    :ivar status: 0 if there was none.
    :ivar error: why there was none.
    """

    url: str
    status: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    error: BridgeError | None = None

    @property
    def good(self) -> bool:
        """Whether the status is 200."""
        return self.status == _OK


@define(eq=False, repr=False)
class _Collecting:
    """Collects one response whatever its status; an `UpstreamReceiver`."""

    _url: str
    _backend: str
    _seconds: float
    result: Deferred[Reply] = field(init=False)
    call: UpstreamCall | None = field(default=None, init=False)
    timer: IDelayedCall | None = field(default=None, init=False)
    _head: ResponseHead | None = field(default=None, init=False)
    _body: bytearray = field(factory=bytearray, init=False)

    @result.default
    def _waiting(self) -> Deferred[Reply]:
        return Deferred(lambda _: self._close())

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:  # noqa: ARG002 - the seam's shape
        """Note status and headers."""
        self._head = head

    def data_received(self, data: bytes) -> None:
        """Collect the body, up to the limit."""
        self._body += data
        if len(self._body) > MAX_BODY_BYTES:
            self._finish(None)

    def ended(self, error: BridgeError | None) -> None:
        """Fire with what was collected."""
        self.call = None
        self._finish(error)

    def out_of_time(self) -> None:
        """Close the connection and fire with an error."""
        told = f"backend {self._backend} has not answered GET or POST {self._url} within {self._seconds:g} s"
        self._finish(UpstreamTimeout(told))

    def _close(self) -> None:
        """Close the connection in whatever state it is."""
        call, self.call = self.call, None
        if call is not None:
            call.cancel()
        stop_timer(self.timer)

    def _finish(self, error: BridgeError | None) -> None:
        self._close()
        head = self._head
        if head is None or isinstance(error, UpstreamTimeout):
            self.result.callback(Reply(url=self._url, error=error))
        else:
            self.result.callback(
                Reply(url=self._url, status=head.status, headers=head.headers, body=bytes(self._body), error=error)
            )


@frozen(kw_only=True)
class Call:
    """A tool call of an answer."""

    id: str
    name: str
    arguments: str


@frozen(kw_only=True)
class Answer:
    """What came of a conversation: an answer, a refusal, or no response.

    :ivar finished: the end of a complete answer, else None.
    :ivar failure: a failure that the backend reported, else None.
    :ivar error: one that the bridge observed, else None.
    :ivar adjustments: what was changed after refusals before it was answered, or refused for good.
    :ivar window: the context window that a refusal named, in tokens.
    :ivar first: seconds from the request to the first content; None if there was none.
    :ivar last: likewise to the last.
    :ivar pieces: reads that held content.
    :ivar deltas: pieces of text and reasoning in them.
    :ivar raw: the body as it came, its first bytes.
    """

    prepared: Prepared | None
    target: Target
    estimate: int
    text: str = field(default="", repr=False)
    reasoning: str = field(default="", repr=False)
    calls: tuple[Call, ...] = ()
    finished: Finished | None = None
    failure: UpstreamFailure | None = None
    error: BridgeError | None = None
    adjustments: tuple[Adjustment, ...] = ()
    window: int | None = None
    first: float | None = None
    last: float | None = None
    pieces: int = 0
    deltas: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    raw: bytes = field(default=b"", repr=False)

    @property
    def refused(self) -> bool:
        """Whether the request itself was refused, by its status; an error inside an answer may be the model's fault."""
        return self.failure is not None and self.failure.answered != _OK

    @property
    def usage(self) -> Usage | None:
        """Return the counts that the backend reported, or None."""
        return None if self.finished is None else self.finished.usage


@define(eq=False)
class _Recording:
    """A reader that keeps the first bytes of what it reads."""

    _reader: AnswerReader
    raw: bytearray = field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> list[Event]:
        """Read body bytes."""
        self.raw += data[: MAX_RAW_BYTES - len(self.raw)]
        return self._reader.feed(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the reader's
        """Return what the reader has under that name."""
        return getattr(self._reader, name)


@define(eq=False)
class _Listening:
    """Collects the events of one answer and when they came; an `EventSink`."""

    _seconds: Callable[[], float]
    _on_content: Callable[[], None] | None = None
    events: list[Event] = field(factory=list, init=False)
    times: list[float] = field(factory=list, init=False)

    def producing(self, producer: PushProducer) -> None:
        """Do nothing: the body is read as fast as it comes."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Collect events."""
        self.events += events
        if any(isinstance(each, (TextDelta, ReasoningDelta, ToolCallStarted, ToolArgumentsDelta)) for each in events):
            self.times.append(self._seconds())
            if self._on_content is not None:
                self._on_content()


@define(eq=False, kw_only=True)
class Asker:
    """Sends the doctor's requests.

    :ivar seconds: a monotonic clock.
    :ivar patience: seconds that a small request may take.
    :ivar asked: conversations sent so far.
    """

    client: UpstreamClient
    clock: IReactorTime
    seconds: Callable[[], float] = time.monotonic
    patience: float = SMALL_SECONDS
    asked: int = field(default=0, init=False)

    def small(
        self,
        backend: Backend,
        credential: Secret | None,
        path: str,
        body: bytes = b"",
        more: Iterable[tuple[str, str]] = (),
    ) -> Deferred[Reply]:
        """Return what fires with the response to a POST of ``body``, or to a GET if that is empty.

        ``more``: headers that the backend's kind demands.

        It fails only if it is cancelled, which closes the connection.
        """
        within = self.patience
        headers = [("Accept", "application/json"), ("User-Agent", product("/")), *more]
        if body:
            headers.append(("Content-Type", "application/json"))
        if credential:
            headers.append(key_header(backend, credential))
        url = address(backend.url, path)
        collecting = _Collecting(url, backend.name, within)
        collecting.timer = self.clock.callLater(within, collecting.out_of_time)
        request = UpstreamRequest(
            backend=backend,
            url=url,
            headers=backend.with_headers(headers),
            body=body,
            method="POST" if body else "GET",
            first_byte_timeout=within + 1,
            idle_timeout=within + 1,
        )
        collecting.call = self.client.send(request, collecting)
        return collecting.result

    async def ask(
        self,
        kind: BackendKind,
        backend: Backend,
        credential: Secret | None,
        target: Target,
        conversation: Conversation,
        *,
        again: bool = True,
        original: OriginalRequest | None = None,
    ) -> Answer:
        """Return the answer to a conversation.

        :param again: where a refusal says how, it is asked again as the bridge would ask.
        :param original: the request to pass on where the backend's kind does that; of its answer nothing is read but
            the end and `Answer.raw`.
        """
        estimate, window, retries = count(conversation), None, RetryBudget()
        while True:
            asked = retries.with_adjustments(target)
            try:
                prepared = asked.prepare(
                    NeutralRequest(conversation, original=original),
                    estimate=estimate,
                    max_tokens=retries.max_tokens_for(asked),
                )
            except InvalidRequest as error:
                return Answer(prepared=None, target=asked, estimate=estimate, error=error)
            answer = await self._attempt(kind, backend, credential, asked, prepared)
            advice = None if answer.failure is None else prepared.adjust(answer.failure, estimate=estimate)
            if advice is not None:
                window = advice.context_window or window
            adjustment = None if advice is None or not again else advice.adjustment
            if adjustment is None or not retries.apply(adjustment):
                tried = tuple(retries.take_confirmed())
                return evolve(answer, estimate=estimate, adjustments=tried, window=window)

    async def begin(
        self,
        kind: BackendKind,
        backend: Backend,
        credential: Secret | None,
        target: Target,
        conversation: Conversation,
    ) -> bool:
        """Ask a conversation, and leave when its content begins; return whether it began."""
        prepared = target.prepare(NeutralRequest(conversation), estimate=count(conversation))
        begun: list[bool] = []

        def leave() -> None:
            begun.append(True)
            attempt.close()
            waiting.callback(None)

        waiting: Deferred[None] = Deferred()
        attempt = self._made(kind, backend, credential, prepared, _Listening(self.seconds, leave))[0]
        attempt.start(self.client).addBoth(lambda _: None if waiting.called else waiting.callback(None))
        await waiting
        return bool(begun)

    def _made(
        self, kind: BackendKind, backend: Backend, credential: Secret | None, prepared: Prepared, sink: _Listening
    ) -> tuple[Attempt, _Recording]:
        self.asked += 1
        request = upstream_request(backend, prepared, credential, product("/"))
        limited = UpstreamRequest(
            backend=backend,
            url=request.url,
            headers=request.headers,
            body=request.body,
            first_byte_timeout=min(request.first_byte_timeout, CHAT_SECONDS),
            idle_timeout=min(request.idle_timeout, CHAT_SECONDS),
        )
        reader = _Recording(prepared.reader(LIMITS, os.urandom))
        return Attempt(kind, reader, sink, limited, self.seconds, time.time), reader

    async def _attempt(
        self, kind: BackendKind, backend: Backend, credential: Secret | None, target: Target, prepared: Prepared
    ) -> Answer:
        begun, sink = self.seconds(), _Listening(self.seconds)
        attempt, reader = self._made(kind, backend, credential, prepared, sink)
        outcome = await attempt.start(self.client)
        texts = [each.text for each in sink.events if isinstance(each, TextDelta)]
        thoughts = [each.text for each in sink.events if isinstance(each, ReasoningDelta)]
        return Answer(
            prepared=prepared,
            target=target,
            estimate=0,
            text="".join(texts),
            reasoning="".join(thoughts),
            calls=_calls(sink.events),
            finished=outcome if isinstance(outcome, Finished) else None,
            failure=outcome if isinstance(outcome, UpstreamFailure) else None,
            error=outcome if isinstance(outcome, BridgeError) else None,
            first=sink.times[0] - begun if sink.times else None,
            last=sink.times[-1] - begun if sink.times else None,
            pieces=len(sink.times),
            deltas=len(texts) + len(thoughts),
            headers=attempt.clues().headers,
            raw=bytes(reader.raw),
        )


def _calls(events: Sequence[Event]) -> tuple[Call, ...]:
    """Return the calls of an answer, put together."""
    started = [each for each in events if isinstance(each, ToolCallStarted)]
    parts = [each for each in events if isinstance(each, ToolArgumentsDelta)]
    return tuple(
        Call(id=each.id, name=each.name, arguments="".join(part.json for part in parts if part.call == each.call))
        for each in started
    )
