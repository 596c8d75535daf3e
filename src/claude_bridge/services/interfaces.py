"""The seams between the services, and between them and the edge, as Protocols and plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import TokenizerEndpoint
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Event, SearchErrorCode, SearchHit, Usage
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.web_search.tool import SearchQuestion


class PushProducer(Protocol):
    """The part of Twisted's ``IPushProducer`` that we use."""

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Send nothing more for now."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Go on."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nobody wants the rest."""


@frozen(kw_only=True)
class UpstreamRequest:
    """One request to a backend, ready to be sent.

    :ivar url: absolute.
    :ivar first_byte_timeout: seconds of silence allowed before the first data event.
    :ivar idle_timeout: seconds of silence allowed after it.
    """

    backend: Backend
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # the credential is among them
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"
    first_byte_timeout: float = 900.0
    idle_timeout: float = 300.0


@frozen(kw_only=True)
class ResponseHead:
    """Status and headers of an upstream answer; header names in lower case, the first value of each."""

    status: int
    headers: dict[str, str]


class UpstreamReceiver(Protocol):
    """Who gets an upstream answer. Exactly one `ended` comes last, whatever happened before."""

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:
        """Status and headers are there; ``producer`` pauses, resumes and stops the body."""

    def data_received(self, data: bytes) -> None:
        """More body bytes."""

    def ended(self, error: BridgeError | None) -> None:
        """No more will come.

        ``error`` is None after a body that the transport calls complete or merely unframed (the stream's own end
        mark decides), else the `UpstreamError` that says what went wrong. Never called after `UpstreamCall.cancel`.
        """


class UpstreamCall(Protocol):
    """An upstream request under way."""

    def data_event_seen(self) -> None:
        """Tell the timers that a data event arrived: from now on the idle limit holds."""

    def finish_seen(self) -> None:
        """Tell the timers that the finish reason arrived, or content after it: a short grace for the rest begins."""

    def cancel(self) -> None:
        """Close the upstream connection now, in whatever phase; no receiver method is called any more."""


class UpstreamClient(Protocol):
    """Sends requests to backends."""

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> UpstreamCall:
        """Start ``request``; everything else comes through ``receiver``, never before this returns."""


class Watch(Protocol):
    """Something with a deadline."""

    def check(self, now: float) -> None:
        """Look at the clock (seconds, monotonic) and act if it is time."""


class Sweep(Protocol):
    """One clock and one periodic look at everything that has a deadline."""

    def seconds(self) -> float:
        """Return the time (seconds, monotonic)."""

    def add(self, watch: Watch) -> None:
        """Look at ``watch`` from now on."""

    def discard(self, watch: Watch) -> None:
        """Stop looking at ``watch``; harmless if it is not there."""


class Admission(Protocol):
    """A backend may be asked, once; whoever was admitted reports how it went. The first report counts, no other."""

    def succeeded(self) -> None:
        """Note an answer, also one that says 4xx."""

    def failed(self, error: BridgeError) -> None:
        """Note a failure of the backend; the breaker decides whether this kind counts."""

    def abandoned(self) -> None:
        """Note that the client left before the backend could show anything."""


class Breaker(Protocol):
    """Decides whether a backend may be asked, and learns from how it went."""

    def admit(self, backend: str) -> Admission:
        """Let ``backend`` be asked; raises `CircuitOpen` if it must not be now."""


class ModelLists(Protocol):
    """The backends' own model lists, cached per backend and credential."""

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Return the list, from the cache where it is known. Fires with an empty tuple where it cannot be had."""

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Return the list as it is now; where it does not come in time, what is known."""

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:
        """Return what is cached, or nothing; never asks anybody."""


@frozen
class TurnOwner:
    """Who waits, where several do.

    :ivar owner: the name of its key, else its address.
    :ivar session: as the client tells it; it tells an owner's conversations apart.
    """

    owner: str = ""
    session: str = ""


class Signposts(Protocol):
    """Tells where the API of a server may be, when its url is wrong."""

    def look(self, backend: Backend, credential: Secret | None) -> Deferred[str]:
        """Return a sentence about what is where. It never fails but by being cancelled."""


class Documents(Protocol):
    """Text of documents, for models that take no files."""

    def text(self, data: str, client: TurnOwner) -> Deferred[str]:
        """Return the text of a PDF in base64, ready to be shown to a model; what cannot be read is a note in brackets.

        Never fails but with ``CancelledError``, when it is cancelled.
        """


@frozen(kw_only=True)
class TokenCount:
    """What a backend's own counter says of a prompt.

    :ivar window: its context window, where it tells that too.
    """

    tokens: int
    window: int | None = None


class RemoteTokenizer(Protocol):
    """The backends' own counters of prompt tokens."""

    async def count(
        self, backend: Backend, tokenizer: TokenizerEndpoint, credential: Secret | None, request_body: bytes
    ) -> TokenCount | None:
        """Count the prompt of a request; None where the backend cannot tell."""


@frozen(kw_only=True)
class AttemptRecord:
    """One upstream request, for the books: also one that failed or was abandoned."""

    backend: str
    model: str
    credential: str
    started: float
    seconds: float
    first_event_seconds: float | None
    status: int | None
    outcome: str
    usage: Usage | None


@frozen(kw_only=True)
class RequestRecord:
    """One client request, for the books and for its log line.

    :ivar peer: the client's address, without port.
    :ivar reason: why it failed, as the client was told; where a backend's words quote the prompt, without these. ""
        where it did not.
    """

    request_id: str
    kind: str
    model: str
    session: str
    agent: str
    client: str
    streamed: bool
    started: float
    seconds: float
    first_byte_seconds: float | None
    status: int
    outcome: str
    body_bytes: int
    attempts: tuple[AttemptRecord, ...]
    peer: str = ""
    reason: str = ""


class SearchFailed(Exception):
    """There are no search results; ``reason`` is for the log, ``error_code`` for the client."""

    def __init__(self, error_code: SearchErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.error_code = error_code
        self.reason = reason


class SearchEngine(Protocol):
    """Searches the web."""

    def search(self, question: SearchQuestion) -> Deferred[tuple[SearchHit, ...]]:
        """Return results that may be shown, best first; fails with `SearchFailed`. It may be cancelled."""


class Records(Protocol):
    """Consumers of records: the request log today, the ledger later."""

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Take one attempt's record."""

    def request_ended(self, record: RequestRecord) -> None:
        """Take the whole request's record."""


class ClientResponse(Protocol):
    """A client's answer under way, as dispatch sees it; the edge implements it."""

    @property
    def content_started(self) -> bool:
        """Whether the client already has part of the answer's content, so that no other attempt may take over."""

    @property
    def status(self) -> int:
        """The HTTP status that went out; 0 while nothing has."""

    @property
    def first_byte(self) -> float | None:
        """When the first content went out (seconds, monotonic)."""

    @property
    def usage(self) -> Usage | None:
        """The counts of the answer, estimated while it is not finished; None while it has said nothing."""

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Learn who will answer: ``served_by`` as ``backend/model`` and ``model`` as the client is to see it."""

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Switch back-pressure to this attempt's body; None: there is no body to hold back any more."""

    def emit(self, events: Sequence[Event]) -> None:
        """Take the events that one upstream read gave.

        Raises `UpstreamError` if they cannot be held or put together within the limits.
        """

    def fail(self, error: BridgeError) -> None:
        """End the answer with an error, by status or by event as is still possible."""
