"""The seams between the services, and between them and the edge, as Protocols and plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Prepared, TokenizerEndpoint
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
        """Stop: the rest is not needed."""


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
    """Status and headers of an upstream answer; header names in lower case, several values as one list."""

    status: int
    headers: dict[str, str]


class UpstreamReceiver(Protocol):
    """Receives an upstream response. Exactly one call of `ended` comes last, whatever happened before."""

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:
        """Receive status and headers; ``producer`` pauses, resumes and stops the body."""

    def data_received(self, data: bytes) -> None:
        """Receive more body bytes."""

    def ended(self, error: BridgeError | None) -> None:
        """Receive the end of the response.

        ``error`` is None after a body that the transport calls complete, or that has no framing (then the stream's own
        end mark decides); else it is the `UpstreamError` that says what went wrong. Never called after
        `UpstreamCall.cancel`.
        """


class UpstreamCall(Protocol):
    """An upstream request under way."""

    def data_event_seen(self) -> None:
        """Note that a data event arrived: from now on the idle limit applies."""

    def finish_seen(self) -> None:
        """Note that the finish reason arrived, or content after it: a short grace for the rest begins."""

    def cancel(self) -> None:
        """Close the upstream connection in whatever state it is; no method of the receiver is called any more."""


class UpstreamClient(Protocol):
    """Sends requests to backends."""

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> UpstreamCall:
        """Send ``request``; its response goes to ``receiver``, which is never called before this returns."""


class Watch(Protocol):
    """Something with a deadline."""

    def check(self, now: float) -> None:
        """Act if the deadline has passed; ``now`` is in seconds (monotonic)."""


class Sweep(Protocol):
    """One clock, and one periodic check of everything that has a deadline."""

    def seconds(self) -> float:
        """Return the time (seconds, monotonic)."""

    def add(self, watch: Watch) -> None:
        """Check ``watch`` periodically from now on."""

    def discard(self, watch: Watch) -> None:
        """Stop checking ``watch``; do nothing if it is not there."""


class Admission(Protocol):
    """The permission to send one request to a backend. Its holder reports the outcome; only the first report counts."""

    def succeeded(self) -> None:
        """Report an answer, also one with a 4xx status."""

    def failed(self, error: BridgeError) -> None:
        """Report a failure; the breaker decides whether this kind counts."""

    def abandoned(self) -> None:
        """Report that the client left before the backend had sent anything."""


class Breaker(Protocol):
    """Decides whether a backend may be asked, and learns from the outcomes."""

    def admit(self, backend: str) -> Admission:
        """Return the permission to ask ``backend``; raise `CircuitOpen` if it must not be asked now."""


class ModelLists(Protocol):
    """The backends' own model lists, cached per backend and credential.

    :ivar revision: changes whenever a list may have changed.
    """

    revision: int

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Return the list, from the cache if it is there. Fires with an empty tuple if it cannot be fetched."""

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Return the current list; if it does not arrive in time, the last known one."""

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:
        """Return the cached list, or an empty one; sends no request."""


@frozen
class TurnOwner:
    """A client that waits for its turn.

    :ivar owner: the name of its key, else its address.
    :ivar session: the client's own name for the conversation, which distinguishes an owner's conversations.
    """

    owner: str = ""
    session: str = ""


class Signposts(Protocol):
    """Finds out where the API of a server may be when its url is wrong."""

    def look(self, backend: Backend, credential: Secret | None) -> Deferred[str]:
        """Return a sentence about the URLs that were tried. The Deferred fails only if it is cancelled."""


class Documents(Protocol):
    """The text of documents, for models that take no files."""

    def text(self, data: str, client: TurnOwner) -> Deferred[str]:
        """Return the text of a PDF in base64, ready to be shown to a model; for an unreadable one a note in brackets.

        Fails only with ``CancelledError``, when it is cancelled.
        """


@frozen(kw_only=True)
class TokenCount:
    """A prompt's length as counted by a backend's own tokenizer.

    :ivar window: the model's context window, if the backend reports it too.
    """

    tokens: int
    window: int | None = None


class RemoteTokenizer(Protocol):
    """The backends' own tokenizers."""

    async def count(
        self,
        backend: Backend,
        tokenizer: TokenizerEndpoint,
        credential: Secret | None,
        prepared: Prepared,
        *,
        forwarded: bool = False,
    ) -> TokenCount | None:
        """Return the length of a request's prompt; None if the backend cannot count it.

        ``forwarded``: whether the credential is the client's own.
        """


SHORTEST_WRITING: Final = 0.05
"""Seconds; what a model wrote in a shorter time came in one piece, so that it has no rate."""


@frozen(kw_only=True)
class AttemptRecord:
    """The record of one upstream request, also of one that failed or was abandoned.

    :ivar first_token_seconds: until the model's first word, which the client need not see; None if there was none.
    :ivar cost: pico-dollars; None if it is unknown.
    :ivar price_from: who told what it costs: ``configuration``, ``answer``, ``list``, ``genai-prices``; "" for nobody.
    """

    backend: str
    model: str
    credential: str
    started: float
    seconds: float
    first_event_seconds: float | None
    status: int | None
    outcome: str
    usage: Usage | None
    first_token_seconds: float | None = None
    cost: int | None = None
    price_from: str = ""

    @property
    def tokens_per_second(self) -> float | None:
        """The rate at which the model wrote; None if nothing was counted, or the answer came in one piece."""
        if self.usage is None or self.first_token_seconds is None:
            return None
        tokens, seconds = self.usage.output_tokens, self.seconds - self.first_token_seconds
        return tokens / seconds if tokens > 1 and seconds >= SHORTEST_WRITING else None


@frozen(kw_only=True)
class RequestRecord:
    """The record of one client request; its log line is made from it.

    :ivar peer: the client's address, without port.
    :ivar reason: why it failed, as the client was told, but without a backend's words that quote the prompt; "" if it
        did not fail.
    :ivar route: the route that it took; "" where its model's name decided.
    :ivar first_choice: the route's first choice as ``backend/model``, if another model was asked last; else "".
    :ivar agent_type: what kind of subagent asked, as the client calls it; "" for the main conversation.
    :ivar parent: the id of the subagent that started this one; "" where the main conversation did.
    :ivar owner: whose session it is, see `SessionName`.
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
    route: str = ""
    first_choice: str = ""
    agent_type: str = ""
    parent: str = ""
    owner: str = ""


class SessionName(NamedTuple):
    """What a session is known by: its id, which a client made up, means nothing without its owner.

    ``owner`` is ``key:NAME`` where clients have keys of their own, a fingerprint of the credential where that is
    forwarded, and "" where clients cannot be told apart.
    """

    owner: str
    session: str


@frozen(kw_only=True)
class Requester:
    """The client that makes a request.

    :ivar credential: its own, or the secret of its key.
    :ivar name: the name of its ``[key:NAME]``, else "".
    :ivar peer: its address, without port.
    :ivar owner: whose its sessions are, see `SessionName`.
    """

    credential: Secret | None = None
    name: str = ""
    peer: str = ""
    owner: str = ""


class SearchFailed(Exception):
    """A search failed; ``reason`` is for the log, ``error_code`` for the client."""

    def __init__(self, error_code: SearchErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.error_code = error_code
        self.reason = reason


class SearchEngine(Protocol):
    """Searches the web."""

    def search(self, question: SearchQuestion) -> Deferred[tuple[SearchHit, ...]]:
        """Return results that may be shown, best first; fails with `SearchFailed`. It may be cancelled."""


class Records(Protocol):
    """A consumer of records, such as the request log."""

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Receive one attempt's record."""

    def request_ended(self, record: RequestRecord) -> None:
        """Receive the whole request's record."""


@frozen(kw_only=True)
class LedgerState:
    """The visible state of the ledger at one moment.

    :ivar file: where it is.
    :ivar waiting: requests that are not written yet.
    :ivar dropped: requests that were dropped since the start, as they could not be written.
    :ivar written: when something was written last, in Unix seconds; None before the first time.
    :ivar trouble: why nothing can be written; "" if all is well.
    """

    file: str
    waiting: int
    dropped: int
    written: float | None
    trouble: str


class Ledger(Records, Protocol):
    """Keeps records across restarts.

    :ivar keep: how long, in seconds; may be changed at any time.
    """

    keep: float

    @property
    def state(self) -> LedgerState:
        """What it does now."""

    def stop(self) -> Deferred[None]:
        """Write what is left, and close; never fails, and takes a few seconds at most."""


@frozen(kw_only=True)
class Spender:
    """Who spends: budgets and limits are kept for each of these.

    :ivar key: the name of the client's ``[key:NAME]``; "" where clients have none.
    :ivar session: the client's id of the conversation, else "".
    :ivar agent: the id of the subagent; "" for the main conversation.
    """

    key: str = ""
    session: str = ""
    agent: str = ""


@frozen(kw_only=True)
class BudgetState:
    """How much of a budget one spender has used.

    :ivar name: of its ``[budget:NAME]``.
    :ivar scope: what it is for, with the spender's own name: ``all``, ``key alice``, ``session``, ``agent``,
        ``model glm``.
    :ivar unit: ``usd``, then the amounts are pico-dollars, or ``tokens``.
    :ivar spent: what is in the accounts.
    :ivar resets_at: Unix seconds at which it starts again; None if it does not, as that of a session.
    :ivar is_warning: whether the limit of ``warn`` is reached.
    :ivar route: the one that is taken when it is spent; "" where it refuses then.
    """

    name: str
    scope: str
    unit: Literal["usd", "tokens"]
    spent: int
    limit: int
    resets_at: float | None
    is_warning: bool
    route: str = ""

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.spent >= self.limit


class Budgets(Protocol):
    """Says whether somebody may spend more, and holds what requests under way will probably use."""

    def check(self, spender: Spender) -> None:
        """Raise `BudgetSpent` if a budget has nothing left, whatever model is asked; it may name another route."""

    def reserve(
        self,
        request_id: str,
        spender: Spender,
        backend: Backend,
        model: str,
        tokens: int,
        *,
        has_begun: bool = False,
        taken: Collection[str] = (),
    ) -> None:
        """Hold what an attempt with a prompt of so many tokens will probably use; raise `BudgetSpent` as `check` does.

        It is held until the record of the attempt, or `give_up`. ``has_begun``: the client has seen a part of the
        answer, which is never cut. ``taken``: the routes that the request has taken because of budgets.
        """

    def give_up(self, request_id: str) -> None:
        """Release what is held for an attempt that was not made."""


class BudgetStates(Protocol):
    """Knows how much of the budgets is used."""

    def states(self, spender: Spender) -> Sequence[BudgetState]:
        """Return the state of each budget that holds for a spender, the main conversation's where it is one."""


class ClientResponse(Protocol):
    """The response to a client as an exchange sees it; the edge implements it."""

    @property
    def content_started(self) -> bool:
        """Whether the client has received part of the answer's content, so that no other attempt can take over."""

    @property
    def status(self) -> int:
        """The HTTP status that was sent; 0 until then."""

    @property
    def first_byte(self) -> float | None:
        """When the first content was sent (seconds, monotonic)."""

    @property
    def usage(self) -> Usage | None:
        """The token counts, estimated until the answer is finished; None while there is no content."""

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Note who will answer: ``served_by`` as ``backend/model``, and ``model`` as the client is to see it."""

    def attempt_producing(self, producer: PushProducer | None) -> None:
        """Switch back-pressure to the body of the current attempt; None: there is no body to pause any more."""

    def emit(self, events: Sequence[Event]) -> None:
        """Receive the events of one upstream read.

        Raises `UpstreamError` if they cannot be held, or assembled, within the limits.
        """

    def fail(self, error: BridgeError) -> None:
        """End the response with an error: by status if nothing was sent yet, else by an error event."""
