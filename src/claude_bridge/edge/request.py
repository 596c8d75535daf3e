"""A request of a client: checked when its head is complete, its body held to the limits, refused early if need be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote_to_bytes
from weakref import ref

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from claude_bridge.config.schema import Limits
from claude_bridge.core import ids
from claude_bridge.core.errors import BridgeError, InternalFault, InvalidRequest, NotFound
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.memory_weight import max_text_expansion, request_weight
from claude_bridge.edge.attribute_names import share_names
from claude_bridge.edge.gate import ClientIdentity, Gatekeeper
from claude_bridge.edge.incoming_body import IncomingBody
from claude_bridge.edge.memory_budget import COPIES_OF_BODY, MemoryBudget, Share
from claude_bridge.edge.replies import begin_error, write_error
from claude_bridge.edge.unpacking import Unpacking
from claude_bridge.services.interfaces import Sweep

MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read and discarded. If we stopped reading from a client that is still sending, the
connection would be reset and the client would lose the answer that says why; but we do not read for ever."""

LINGER_SECONDS: Final = 5.0
"""Seconds without a byte after which a refused client's connection is closed, whether its body came or not: a client
that sent ``Expect`` will not send the body any more."""

LARGE_BODY_BYTES: Final = 1024 * 1024
"""Bytes from which on a body is inspected before it is decoded; smaller ones are measured later, and only if needed."""

NOBODY: Final = ClientIdentity()

TWISTED_NAMES: Final = (
    *("_adapterCache", "_parsePOSTFormSubmission", "args", "channel", "chunked", "client", "clientproto", "code"),
    *("code_message", "content", "cookies", "finished", "host", "method", "notifications", "path", "postpath"),
    *("prepath", "producer", "queued", "received_cookies", "requestHeaders", "responseHeaders", "sentLength", "site"),
    *("startedWriting", "streamingProducer", "transport", "uri"),
)
"""The attributes that Twisted's request has by the end of a streamed response."""

ALWAYS_SENT: Final = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))
"""Headers of every response: a web page that embeds one of our URLs cannot read it, whatever type it expects."""


class SiteRuntime(Protocol):
    """What the site needs of the running configuration."""

    @property
    def limits(self) -> Limits:
        """The limits of the configuration in force."""

    @property
    def gatekeeper(self) -> Gatekeeper:
        """Decides which requests are admitted."""

    @property
    def sweep(self) -> Sweep:
        """The clock, and the periodic check of deadlines."""

    @property
    def random_bytes(self) -> ids.RandomBytes:
        """The source of random ids."""

    def record_refused(self, request: BridgeRequest, error: BridgeError) -> None:
        """Record a request that was refused before it reached a route."""


@frozen(kw_only=True)
class Intake:
    """What the requests of one site share while they come in.

    :ivar current: returns the running configuration; called for each request.
    :ivar budget: the memory that requests hold.
    :ivar unpacking: the gzip bodies that are being unpacked.
    """

    current: Callable[[], SiteRuntime]
    budget: MemoryBudget
    unpacking: Unpacking


class BridgeRequest(Request):
    """A request that may be refused as soon as its head is complete.

    :ivar request_id: ``req_`` and 24 characters, sent as ``request-id``.
    :ivar arrived: when its head was complete (seconds, monotonic).
    :ivar client_identity: the client, once admitted.
    """

    # Beside Twisted's own they would be too many for a small instance dict (docs/twisted.md 2.5).
    __slots__ = (
        "_body",
        "_discarded",
        "_gatekeeper",
        "_head",
        "_intake",
        "_paused",
        "_received",
        "_route",
        "_share",
        "arrived",
        "client_identity",
        "refusal",
        "request_id",
    )

    def __init__(self, intake: Intake, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Twisted's arguments
        super().__init__(*args, **kwargs)
        self._intake = intake
        self.request_id = ""
        self.arrived = 0.0
        self.client_identity = NOBODY
        self.refusal: BridgeError | None = None
        self._head: dict[str, str] | None = None
        self._body: IncomingBody | None = None
        self._share: Share | None = None
        self._paused = False
        self._received: tuple[bytes, bytes, bytes] | None = None
        self._discarded = 0
        self._gatekeeper: Gatekeeper | None = None
        self._route: Deferred[Any] | None = None

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        """Check the head before a byte of the body is read."""
        runtime = self._read_head()
        try:
            self._admit(runtime, length)
        except BridgeError as error:
            self._refuse(error, at_once=length != 0)
        self.content = self._body.content if self._body is not None else None

    def refuse_length(self) -> None:
        """Refuse a request whose length is not a number, or has more digits than Python reads."""
        self._read_head()
        self._refuse(InvalidRequest("Content-Length is not a length", should_retry=False), at_once=True)
        self.finish()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Store body bytes within the limit."""
        if self._share is not None:
            self._share.add_arrived(len(data))
        if self.refusal is not None or self._body is None:
            self._discard(len(data))
            return
        try:
            self._body.feed(data)
            self._count_body()
        except BridgeError as error:
            self._refuse(error, at_once=True)
            return
        if self._body.has_packed_bytes:
            self._intake.unpacking.add(self)

    @property
    def has_packed_bytes(self) -> bool:
        """Whether there is something to unpack."""
        return self._body is not None and self._body.has_packed_bytes

    def unpack(self, max_bytes: int) -> int:
        """Unpack up to ``max_bytes`` bytes; when all is unpacked, read on or process the request."""
        if self._body is None or not self._body.has_packed_bytes:
            return 0  # it was dropped meanwhile
        done = max_bytes
        try:
            done = self._body.unpack(max_bytes)
            self._count_body()
        except BridgeError as error:
            self.turn_away(error)
            return done
        if self._body.has_packed_bytes:
            self._pause()
        else:
            self._continue()
        return done

    def turn_away(self, error: BridgeError) -> None:
        """Refuse a request whose body is still arriving; abort the connection if it was refused before."""
        if self.refusal is not None:
            self.abort()
            return
        self._refuse(error, at_once=True)
        self._continue()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        """Process the complete request, or finish one that was refused.

        One that is not unpacked yet waits. Meanwhile Twisted keeps the requests that follow it, as during a response.
        """
        if self.refusal is None and self.has_packed_bytes:
            self._received = (command, path, version)
            if self._share is not None:
                self._share.complete = True
            return
        if self.refusal is None and self._body is not None:
            try:
                self._body.end()
            except BridgeError as error:
                self._refuse(error, at_once=True)
        if self.refusal is None:
            if self._share is not None:
                self._share.received()
            super().requestReceived(command, path, version)
            return
        if not self.startedWriting:
            begin_error(self, self.refusal, self.request_id)
        self.finish()

    def process(self) -> None:
        """Pass the request to Klein, except for those that are refused here with the error envelope.

        For an undecodable path Klein would answer with an HTML page of its own.
        """
        runtime = self._intake.current()
        error = self._path_error() or self._refusal_by_new_configuration(runtime)
        if error is None:
            super().process()
            return
        runtime.record_refused(self, error)
        write_error(self, error, self.request_id)

    def _refusal_by_new_configuration(self, runtime: SiteRuntime) -> BridgeError | None:
        """Check again if another configuration came into force after the request's head was admitted."""
        if runtime.gatekeeper is self._gatekeeper:
            return None
        try:
            self._authenticate(runtime.gatekeeper)
        except BridgeError as error:
            return error
        return None

    def _authenticate(self, gatekeeper: Gatekeeper) -> None:
        """Set the client's identity, or raise what ``gatekeeper`` raises."""
        host = getattr(self.getHost(), "host", "")
        self.client_identity = gatekeeper.admit(
            self.head(), self.path.decode("latin-1"), host, method=self.method.decode("latin-1")
        )
        self._gatekeeper = gatekeeper

    def _path_error(self) -> BridgeError | None:
        try:
            unquote_to_bytes(self.path).decode()
        except UnicodeDecodeError:
            return InvalidRequest("the path is not UTF-8")
        return None if self.path.startswith(b"/") else NotFound("no such path")

    def processingFailed(self, reason: Failure) -> Any:  # noqa: N802, ANN401 - Twisted's signature
        """Log a fault of our own, and answer with the error envelope if that is still possible."""
        self._log.failure("request {request_id} failed", reason, request_id=self.request_id, event="fault")
        if not self.startedWriting and not self.is_over:
            write_error(self, InternalFault("internal error of the bridge"), self.request_id)

    def finish(self) -> None:
        """Finish the response and drop the request's body."""
        self._close_share()
        super().finish()
        self._drop_body()
        self._route = None

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Drop the request's body, and cancel the route: the client is gone."""
        super().connectionLost(reason)
        self._close_share()
        self._drop_body()
        route, self._route = self._route, None
        if route is not None:
            route.cancel()

    def cancel_when_client_leaves(self, route: Deferred[Any]) -> None:
        """Cancel ``route`` if the client leaves before the response has ended."""
        self._route = route

    def abort(self) -> None:
        """Close the connection now, unless the response has ended: then it is the next request's."""
        if not self.is_over:
            cast(ITCPTransport, self.transport).abortConnection()

    def drop_heads(self) -> None:
        """Drop the request's headers and the response's, which were sent: neither is read while the answer streams."""
        self.requestHeaders = self.responseHeaders = Headers()
        self._head, self.args = None, {}

    def take_body(self) -> bytes:
        """Return the whole body, decompressed. It is not kept here, but counts in the budget until the response ends.

        Raises `BridgeOverloaded` for a large body whose texts may need more bytes per character than there is room for.
        """
        body = self._body.take() if self._body is not None else b""
        self.content = None
        if len(body) >= LARGE_BODY_BYTES and self._share is not None:
            self._share.reserve(max_text_expansion(body) * len(body))
        return body

    def measure_with(self, asked: ref[MessagesRequest]) -> None:
        """Have the budget measure the decoded request when memory is short: it may be much larger than the body."""
        if self._share is not None:
            self._share.measure_with(partial(_extra_bytes, asked, self.body_bytes))

    @property
    def body_bytes(self) -> int:
        """The body's size, also after the body was dropped."""
        return self._body.size if self._body is not None else 0

    @property
    def is_over(self) -> bool:
        """Whether the response has ended, or the client is gone: nothing more can be sent."""
        return bool(self.finished or self._disconnected)

    @property
    def peer(self) -> str:
        """The client's address, "" on a UNIX socket."""
        return str(getattr(self.getClientAddress(), "host", ""))

    def head(self) -> dict[str, str]:
        """Return the headers, names in lower case, the first value of each."""
        if self._head is None:
            self._head = {
                name.decode("latin-1").lower(): values[0].decode("latin-1")
                for name, values in self.requestHeaders.getAllRawHeaders()
            }
        return self._head

    def whole_head(self) -> dict[str, str]:
        """Return the headers likewise, the values of one that came in several lines as one list (RFC 9110, 5.3)."""
        return {
            name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
            for name, values in self.requestHeaders.getAllRawHeaders()
        }

    def _read_head(self) -> SiteRuntime:
        """Set what Twisted sets only when the body is complete, and the headers of every response."""
        channel = self.channel
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version  # noqa: SLF001 - guarded by a test
        self.path = self.uri.split(b"?", 1)[0]
        runtime = self._intake.current()
        self.arrived = runtime.sweep.seconds()
        self.request_id = "req_" + ids.token(24, runtime.random_bytes)
        self.setHeader(b"request-id", self.request_id.encode())
        for name, value in ALWAYS_SENT:
            self.setHeader(name, value)
        return runtime

    def _admit(self, runtime: SiteRuntime, length: int | None) -> None:
        head = self.head()
        if len(head) != self.channel._receivedHeaderCount or "transfer-encoding" in head:  # noqa: SLF001 - guarded by a test
            self._check_framing()
        self._authenticate(runtime.gatekeeper)
        self._body = IncomingBody(runtime.limits.max_body, head.get("content-encoding", ""))
        self._body.check_length(length)
        if length != 0:
            self._share = self._intake.budget.open(self, length, runtime.sweep)

    def _check_framing(self) -> None:
        """Raise `InvalidRequest` for a head that a proxy in front may read differently (RFC 9112, 3.2 and 6.3).

        It could smuggle one request past such a proxy inside another.
        """
        if len(self.requestHeaders.getRawHeaders(b"host", ())) > 1:
            raise InvalidRequest("the request has more than one Host header", should_retry=False)
        codings = self.requestHeaders.getRawHeaders(b"transfer-encoding", ())
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            raise InvalidRequest("Transfer-Encoding must be chunked, and given once", should_retry=False)

    def _refuse(self, error: BridgeError, *, at_once: bool) -> None:
        """Record the refusal and close the connection after the response; the rest of the body is discarded.

        ``at_once``: answer before the rest of the body has arrived.
        """
        self.refusal = error
        self.channel.persistent = False
        self.channel.setTimeout(LINGER_SECONDS)
        self.setHeader(b"connection", b"close")
        self.requestHeaders.removeHeader(b"expect")
        self._intake.current().record_refused(self, error)
        self._drop_body()  # what has arrived is not kept while the rest arrives
        if self._share is not None:
            self._share.release()
        self._resume()
        if at_once and not self.startedWriting:
            begin_error(self, error, self.request_id)

    def _count_body(self) -> None:
        """Count what has arrived of the body in the budget; raise `BridgeOverloaded` if there is no room for it."""
        if self._share is not None and self._body is not None:
            self._share.hold(COPIES_OF_BODY * self._body.size + self._body.unpacker_bytes)

    def _drop_body(self) -> None:
        """Drop the body, here and where Twisted keeps it for as long as the request exists."""
        self.content = None
        if self._body is not None:
            self._body.drop()

    def _close_share(self) -> None:
        """Close the share of the budget; it must not refer to this request any longer."""
        share, self._share = self._share, None
        if share is not None:
            share.close()

    def _pause(self) -> None:
        """Stop reading a body that is not unpacked yet."""
        if not self._paused:
            self._paused = True
            cast(IPushProducer, self.transport).pauseProducing()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            cast(IPushProducer, self.transport).resumeProducing()

    def _continue(self) -> None:
        """Read on, or process the request if all of it has arrived."""
        self._resume()
        received, self._received = self._received, None
        if received is not None:
            self.requestReceived(*received)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_DISCARDED_BYTES:
            self.abort()


share_names(BridgeRequest, TWISTED_NAMES)


def _extra_bytes(asked: ref[MessagesRequest], size: int) -> int | None:
    """Return the bytes that a decoded request holds beyond the ``size`` of its body; None while it is not read yet."""
    request = asked()
    if request is None:
        return 0
    decoded = request_weight(request)
    return None if decoded is None else max(0, decoded - size)
