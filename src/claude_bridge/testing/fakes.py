"""Fakes for the Protocols of `claude_bridge.services.interfaces`, driven by the test.

They keep the promises of the real ones, and raise if they are used wrongly. The fake upstream client is
held against the real one by the same tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Prepared, TokenizerEndpoint
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Event, Finished, SearchHit, TextDelta, Usage, Verbatim
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.interfaces import (
    AttemptRecord,
    PushProducer,
    RequestRecord,
    ResponseHead,
    SearchFailed,
    TokenCount,
    TurnOwner,
    UpstreamReceiver,
    UpstreamRequest,
)

__all__ = [
    "FakeCall",
    "FakeClientResponse",
    "FakeUpstreamClient",
    "FixedCounters",
    "FixedLists",
    "FixedSignposts",
    "HeldDocuments",
    "HeldSearch",
    "KeptRecords",
    "NotedAdmission",
    "NotedBreaker",
]


@define(eq=False)
class FakeCall:
    """One request that a `FakeUpstreamClient` got; a call and its body's producer in one.

    The test plays the backend: `head`, `data`, `end`. What comes while the body is paused waits, as on a socket.

    :ivar told: ``data_event_seen`` and ``finish_seen``, as they came.
    :ivar paused: whether the body is held back now.
    :ivar cancelled: whether the call was cancelled.
    """

    request: UpstreamRequest
    receiver: UpstreamReceiver
    told: list[str] = field(factory=list)
    paused: bool = False
    cancelled: bool = False
    over: bool = False
    _waiting: list[Callable[[], None]] = field(factory=list)

    def data_event_seen(self) -> None:
        """Note it."""
        self.told.append("data_event_seen")

    def finish_seen(self) -> None:
        """Note it."""
        self.told.append("finish_seen")

    def cancel(self) -> None:
        """Call the receiver no more; do nothing if the call is over."""
        if not self.over:
            self.cancelled = self.over = True
            self._waiting.clear()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hold back what comes."""
        self.paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Give what waited, until it is to be held back again."""
        self.paused = False
        while self._waiting and not self.paused:
            self._waiting.pop(0)()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Cancel the call."""
        self.cancel()

    def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a head."""
        if not self.over:
            self.receiver.head_received(ResponseHead(status=status, headers=dict(headers or {})), self)

    def data(self, *pieces: bytes) -> None:
        """Send body bytes, each piece as one read."""
        for piece in pieces:
            self._soon(lambda piece=piece: self.receiver.data_received(piece))  # type: ignore[misc]

    def end(self, error: BridgeError | None = None) -> None:
        """End the answer, or the wait for it."""
        self._soon(lambda: self._end(error))

    def answer(self, *pieces: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Give a whole answer that ends well."""
        self.head(status, headers)
        self.data(*pieces)
        self.end()

    def _soon(self, action: Callable[[], None]) -> None:
        if self.paused:
            self._waiting.append(action)
        elif not self.over:
            action()

    def _end(self, error: BridgeError | None) -> None:
        if not self.over:
            self.over = True
            self.receiver.ended(error)


@define
class FakeUpstreamClient:
    """An `UpstreamClient` whose backends are played by the test.

    :ivar calls: every request, in order.
    """

    calls: list[FakeCall] = field(factory=list)

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> FakeCall:
        """Note the request; nothing happens until the test answers it."""
        call = FakeCall(request, receiver)
        self.calls.append(call)
        return call

    @property
    def last(self) -> FakeCall:
        """Return the newest request."""
        return self.calls[-1]


@define
class FakeClientResponse:
    """A `ClientResponse` that keeps what it is given. Text starts content, as at a client that streams.

    :ivar started: the arguments of each `attempt_started`.
    :ivar producers: what back-pressure was switched to, None among it.
    :ivar refusal: raised by the next `emit` that brings content.
    """

    content_started: bool = False
    status: int = 0
    first_byte: float | None = None
    usage: Usage | None = None
    started: list[dict[str, object]] = field(factory=list)
    producers: list[PushProducer | None] = field(factory=list)
    events: list[Event] = field(factory=list)
    errors: list[BridgeError] = field(factory=list)
    refusal: BridgeError | None = None

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Note who will answer."""
        self.started.append(
            {"served_by": served_by, "model": model, "show_reasoning": show_reasoning, "input_tokens": input_tokens}
        )

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Note the switch."""
        self.producers.append(producer)

    def emit(self, events: Sequence[Event]) -> None:
        """Keep ``events``; raises `refusal` if there is one."""
        if self.refusal is not None:
            raise self.refusal
        self._check_open()
        self.events += events
        if any(isinstance(each, Verbatim) or (isinstance(each, TextDelta) and each.text.strip()) for each in events):
            self.content_started, self.status = True, 200
        if isinstance(events[-1], Finished):
            self.status = 200
            self.usage = events[-1].usage or Usage(estimated=True)

    def fail(self, error: BridgeError) -> None:
        """Keep ``error``."""
        self._check_open()
        self.errors.append(error)
        self.status = self.status or error.status

    @property
    def text(self) -> str:
        """Return the text that a client would have read."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    def _check_open(self) -> None:
        if self.errors or (self.events and isinstance(self.events[-1], Finished)):
            raise AssertionError("the answer is over")


@define
class KeptRecords:
    """A `Records` that keeps everything."""

    attempts: list[AttemptRecord] = field(factory=list)
    requests: list[RequestRecord] = field(factory=list)

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:  # noqa: ARG002 - the seam's shape
        """Keep it."""
        self.attempts.append(record)

    def request_ended(self, record: RequestRecord) -> None:
        """Keep it."""
        self.requests.append(record)


@define
class FixedLists:
    """A `ModelLists` that knows everything beforehand.

    :ivar lists: the models of each backend, by its name.
    :ivar asked: backend and revealed credential of each question.
    :ivar revision: to be changed by a test that changes ``lists``.
    """

    lists: dict[str, tuple[ModelInfo, ...]] = field(factory=dict)
    asked: list[tuple[str, str | None]] = field(factory=list)
    revision: int = 0

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Note the question and return the list."""
        self.asked.append((backend.name, None if credential is None else credential.reveal()))
        return succeed(self.lists.get(backend.name, ()))

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Note the question and return the list, which never changes."""
        return self.fetch(backend, credential)

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - as the seam
        """Return the list."""
        return self.lists.get(backend.name, ())


@define
class FixedFacts:
    """The `Facts` of a request of which a test says everything."""

    background: str = ""
    effort: ReasoningLevel | None = None
    thinking_budget: int | None = None
    tokens: int = 0
    web_search: bool = False
    image: bool = False
    subagent: bool = False
    permission_mode: str = ""


@define
class FixedSignposts:
    """A `Signposts` that says one thing.

    :ivar asked: backend and revealed credential of each question.
    """

    sentence: str = "GET http://box/v1/models lists 2 models: set `url = http://box/v1`"
    asked: list[tuple[str, str | None]] = field(factory=list)

    def look(self, backend: Backend, credential: Secret | None) -> Deferred[str]:
        """Note the question and return the sentence."""
        self.asked.append((backend.name, None if credential is None else credential.reveal()))
        return succeed(self.sentence)


@define
class HeldDocuments:
    """A `Documents` whose texts come when the test says so.

    :ivar asked: the documents, in base64, in the order in which they were asked for.
    :ivar left: how many were cancelled.
    """

    asked: list[str] = field(factory=list)
    left: int = 0
    _waiting: deque[Deferred[str]] = field(factory=deque)

    def text(self, data: str, client: TurnOwner) -> Deferred[str]:  # noqa: ARG002 - the seam's shape
        """Note the question."""
        self.asked.append(data)
        waiter: Deferred[str] = Deferred(self._cancelled)
        self._waiting.append(waiter)
        return waiter

    def give(self, text: str) -> None:
        """Deliver the text of the document that has waited longest."""
        self._waiting.popleft().callback(text)

    def _cancelled(self, waiter: Deferred[str]) -> None:
        self.left += 1
        self._waiting.remove(waiter)


@define
class HeldSearch:
    """A `SearchEngine` whose results come when the test says so.

    :ivar asked: the questions, in order.
    :ivar left: how many were cancelled.
    """

    asked: list[SearchQuestion] = field(factory=list)
    left: int = 0
    _waiting: deque[Deferred[tuple[SearchHit, ...]]] = field(factory=deque)

    def search(self, question: SearchQuestion) -> Deferred[tuple[SearchHit, ...]]:
        """Note the question."""
        self.asked.append(question)
        waiter: Deferred[tuple[SearchHit, ...]] = Deferred(self._cancelled)
        self._waiting.append(waiter)
        return waiter

    def give(self, *hits: SearchHit) -> None:
        """Answer the search that has waited longest."""
        self._waiting.popleft().callback(hits)

    def fail(self, error: SearchFailed) -> None:
        """Make it fail."""
        self._waiting.popleft().errback(error)

    def _cancelled(self, waiter: Deferred[tuple[SearchHit, ...]]) -> None:
        self.left += 1
        self._waiting.remove(waiter)


@define
class FixedCounters:
    """A `RemoteTokenizer` that knows everything beforehand.

    :ivar counted: what it answers.
    :ivar asked: backend and body of each question.
    """

    counted: TokenCount | None = None
    asked: list[tuple[str, bytes]] = field(factory=list)

    async def count(
        self,
        backend: Backend,
        tokenizer: TokenizerEndpoint,  # noqa: ARG002 - the seam's shape
        credential: Secret | None,  # noqa: ARG002 - the same
        prepared: Prepared,
        *,
        forwarded: bool = False,  # noqa: ARG002 - the same
    ) -> TokenCount | None:
        """Note the question and return the count."""
        self.asked.append((backend.name, prepared.body))
        return self.counted


@define
class NotedBreaker:
    """A `Breaker` that notes what it is told.

    :ivar told: ``admit``, ``succeeded``, ``failed ERROR`` and ``abandoned``, as they came.
    :ivar refusal: raised by `admit`.
    :ivar out: how many were admitted and have not reported.
    """

    told: list[str] = field(factory=list)
    refusal: BridgeError | None = None
    out: int = 0

    def admit(self, backend: str) -> NotedAdmission:  # noqa: ARG002 - the seam's shape
        """Note it; raises `refusal` if there is one."""
        if self.refusal is not None:
            raise self.refusal
        self.told.append("admit")
        self.out += 1
        return NotedAdmission(self)


@define(eq=False)
class NotedAdmission:
    """An `Admission` that insists on a single report: a second one, harmless as it is, shows that nobody keeps count.

    :ivar reported: whether it has had its report.
    """

    _breaker: NotedBreaker
    reported: bool = False

    def succeeded(self) -> None:
        """Note it."""
        self._report("succeeded")

    def failed(self, error: BridgeError) -> None:
        """Note it."""
        self._report(f"failed {error.outcome}")

    def abandoned(self) -> None:
        """Note it."""
        self._report("abandoned")

    def _report(self, what: str) -> None:
        if self.reported:
            raise AssertionError(f"{what}, but it has reported already")
        self.reported = True
        self._breaker.out -= 1
        self._breaker.told.append(what)
