"""The HTTP server below the routes: request heads checked before bodies, limits, deadlines, draining.

Twisted's own objects with as little changed as possible: a request that is refused early or read
into memory, a channel with a deadline for the head, a site that knows its connections.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from claude_bridge.config.schema import Limits
from claude_bridge.core import ids
from claude_bridge.core.errors import BridgeError, InternalFault, InvalidRequest, NotFound
from claude_bridge.edge.body import IncomingBody
from claude_bridge.edge.gate import Client, Gatekeeper
from claude_bridge.edge.replies import begin_error, write_error
from claude_bridge.services.interfaces import Sweep

MAX_DISCARDED: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away. A client that is still sending must be read from, or the
reset that follows would swallow the answer that says why; but not for ever."""

LINGER: Final = 5.0
"""Seconds without a byte after which a refused client's connection is closed, sent body or not: one that asked with
``Expect`` before sending will send nothing any more."""


class SiteRuntime(Protocol):
    """What the site needs of the running configuration."""

    @property
    def limits(self) -> Limits:
        """Bounds of the configuration in force."""

    @property
    def gatekeeper(self) -> Gatekeeper:
        """Who may come in."""

    @property
    def sweep(self) -> Sweep:
        """The one clock."""

    @property
    def random_bytes(self) -> ids.RandomBytes:
        """Where ids come from."""

    def refused(self, request: BridgeRequest, error: BridgeError) -> None:
        """Book a request that went no further than its head."""


class BridgeRequest(Request):
    """A request that may be refused as soon as its head is complete.

    :ivar request_id: ``req_`` and 24 characters, sent as ``request-id``.
    :ivar arrived: when its head was complete (seconds, monotonic).
    :ivar known_as: the client, once admitted.
    """

    site: BridgeSite
    channel: BridgeChannel
    request_id: str = ""
    arrived: float = 0.0
    known_as: Client = Client()
    refusal: BridgeError | None = None
    _body: IncomingBody | None = None
    _discarded: int = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        """Check the head before a byte of the body is read."""
        channel = self.channel
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version  # noqa: SLF001 - guarded by a test
        self.path = self.uri.split(b"?", 1)[0]
        runtime = channel.site.current()
        self.arrived = runtime.sweep.seconds()
        self.request_id = "req_" + ids.token(24, runtime.random_bytes)
        self.setHeader(b"request-id", self.request_id.encode())
        try:
            self._admit(runtime, length)
        except BridgeError as error:
            self._refuse(error, now=length != 0)
        self.content = self._body.content if self._body is not None else None

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep body bytes within the limit."""
        if self.refusal is not None or self._body is None:
            self._discard(len(data))
            return
        try:
            self._body.feed(data)
        except BridgeError as error:
            self._refuse(error, now=True)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take the complete request, or end one that was refused."""
        if self.refusal is None and self._body is not None:
            try:
                self._body.end()
            except BridgeError as error:
                self._refuse(error, now=True)
        if self.refusal is None:
            super().requestReceived(command, path, version)
            return
        if not self.startedWriting:
            begin_error(self, self.refusal, self.request_id)
        self.finish()

    def process(self) -> None:
        """Send what Klein would answer with a page of its own to the envelope instead."""
        error = self._odd_path()
        if error is None:
            super().process()
            return
        self.channel.site.current().refused(self, error)
        write_error(self, error, self.request_id)

    def _odd_path(self) -> BridgeError | None:
        try:
            unquote_to_bytes(self.path).decode()
        except UnicodeDecodeError:
            return InvalidRequest("the path is not UTF-8")
        return None if self.path.startswith(b"/") else NotFound("no such path")

    def processingFailed(self, reason: Failure) -> Any:  # noqa: N802, ANN401 - Twisted's signature
        """Log a fault of our own and answer in the envelope where that is still possible."""
        self._log.failure("request {request_id} failed", reason, request_id=self.request_id, event="fault")
        if not self.startedWriting and not self.finished and not self._disconnected:
            write_error(self, InternalFault("internal error of the bridge"), self.request_id)

    def body(self) -> bytes:
        """Give the whole body, decompressed."""
        return self._body.content.getvalue() if self._body is not None else b""

    @property
    def body_bytes(self) -> int:
        """Tell the body's size, also when the connection is gone and the body with it."""
        return self._body.size if self._body is not None else 0

    @property
    def peer(self) -> str:
        """Give the client's address, "" on a UNIX socket."""
        return str(getattr(self.getClientAddress(), "host", ""))

    def head(self) -> dict[str, str]:
        """Give the headers, names in lower case, the first value of each."""
        return {
            name.decode("latin-1").lower(): values[0].decode("latin-1")
            for name, values in self.requestHeaders.getAllRawHeaders()
        }

    def _admit(self, runtime: SiteRuntime, length: int | None) -> None:
        head = self.head()
        host = getattr(self.getHost(), "host", "")
        self.known_as = runtime.gatekeeper.admit(head, self.path.decode("latin-1"), host)
        self._body = IncomingBody(runtime.limits.max_body, head.get("content-encoding", ""))
        self._body.declared(length)

    def _refuse(self, error: BridgeError, *, now: bool) -> None:
        """Answer and close; what still comes is thrown away.

        ``now``: a body is on its way and the answer need not wait for it.
        """
        self.refusal = error
        self.channel.persistent = False
        self.channel.setTimeout(LINGER)
        self.setHeader(b"connection", b"close")
        self.requestHeaders.removeHeader(b"expect")
        self.channel.site.current().refused(self, error)
        if self._body is not None:
            self._body.content = self.content = BytesIO()  # what came of it is not kept while the rest comes
        if now and not self.startedWriting:
            begin_error(self, error, self.request_id)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_DISCARDED:
            self.channel.abort()


class BridgeChannel(HTTPChannel):
    """One client connection, with a deadline for each request head.

    Twisted's own timeout starts again with every byte, so that one byte a minute would hold a connection for ever.
    """

    site: BridgeSite
    requestFactory = BridgeRequest  # noqa: N815 - Twisted's name
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the site's connections."""
        super().connectionMade()
        self.site.connected(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Start the head's deadline with its first byte."""
        if self._deadline is None and not self.requests:
            self._deadline = self.site.clock.callLater(self.site.current().limits.header_timeout, self._too_slow)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Stop the deadline. What Twisted then says of the next request does not hold while the site is draining."""
        self._stop_deadline()
        super().allHeadersReceived()
        if self.site.draining:
            self.persistent = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Leave the site's connections."""
        self._stop_deadline()
        super().connectionLost(reason)
        self.site.disconnected(self)

    def drain(self) -> None:
        """Close when the answer under way is out; at once if there is none."""
        self.persistent = False
        if not self.requests:
            self.loseConnection()

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()

    def _too_slow(self) -> None:
        self._deadline = None
        self.abort()

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


class BridgeSite(Site):
    """The factory of client connections.

    :ivar current: gives the running configuration, anew for each request.
    """

    def __init__(
        self, resource: IResource, current: Callable[[], SiteRuntime], clock: IReactorTime, keep_alive: float
    ) -> None:
        super().__init__(resource, timeout=keep_alive, parsePOSTFormSubmission=False, reactor=clock)
        self.current = current
        self.clock = clock
        self._channels: set[BridgeChannel] = set()
        self._drained: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802, ANN401 - Twisted's signature; it would say its own channel
        """Make a connection's channel; HTTP/1.1 only, for HTTP/2 would swap our channel for another."""
        del addr
        channel: Any = BridgeChannel()
        channel.factory = self
        channel.site = self
        channel.callLater = self.clock.callLater
        channel.timeOut = self.timeOut
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 - Twisted's name
        """Offer HTTP/1.1."""
        return [b"http/1.1"]

    def log(self, request: HTTPRequest) -> None:
        """Write no access log of Twisted's; the bridge's own line says more."""

    @property
    def draining(self) -> bool:
        """Whether no more requests are welcome on any connection."""
        return self._drained is not None

    def connected(self, channel: BridgeChannel) -> None:
        """Note a connection."""
        self._channels.add(channel)
        if self._drained is not None:
            channel.drain()

    def disconnected(self, channel: BridgeChannel) -> None:
        """Forget a connection."""
        self._channels.discard(channel)
        if self._drained is not None and not self._channels and not self._drained.called:
            self._drained.callback(None)

    def drain(self, timeout: float) -> Deferred[None]:
        """Wait until every connection is closed, which is later than every answer being written.

        Idle ones are closed at once, the others after their answer; what is left after ``timeout`` seconds is aborted.
        """
        self._drained = Deferred()
        if not self._channels:
            self._drained.callback(None)
            return self._drained
        late = self.clock.callLater(timeout, self._abort)
        drained = self._drained
        drained.addCallback(lambda _: late.cancel() if late.active() else None)
        for channel in tuple(self._channels):
            channel.drain()
        return drained

    def _abort(self) -> None:
        for channel in tuple(self._channels):
            channel.abort()
