"""The HTTP server below the routes: request heads checked before bodies, limits, deadlines, draining.

Twisted's own objects with as little changed as possible: a request that is refused early or read
into memory, a channel with a deadline for the head, a site that knows its connections.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote_to_bytes
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from claude_bridge.config.schema import Limits
from claude_bridge.core import ids
from claude_bridge.core.errors import BridgeError, InternalFault, InvalidRequest, NotFound
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.memory_weight import max_text_expansion, request_weight
from claude_bridge.edge.body import IncomingBody
from claude_bridge.edge.budget import FORMS, Budget, Share
from claude_bridge.edge.gate import ClientIdentity, Gatekeeper
from claude_bridge.edge.replies import begin_error, write_error
from claude_bridge.edge.unpacking import Unpacking
from claude_bridge.services.interfaces import Sweep

MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away. A client that is still sending must be read from, or the
reset that follows would swallow the answer that says why; but not for ever."""

LINGER: Final = 5.0
"""Seconds without a byte after which a refused client's connection is closed, sent body or not: one that asked with
``Expect`` before sending will send nothing any more."""

LARGE: Final = 1024 * 1024
"""Bytes of a body that is looked at before it is decoded; smaller ones are weighed later, and only if need be."""

ALWAYS_SENT: Final = ((b"x-content-type-options", b"nosniff"), (b"cross-origin-resource-policy", b"same-origin"))
"""Headers of every answer: a page that includes one from here gets nothing of it, whatever it takes it for."""


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
    known_as: ClientIdentity = ClientIdentity()
    refusal: BridgeError | None = None
    _head: dict[str, str] | None = None
    _body: IncomingBody | None = None
    _share: Share | None = None
    _paused: bool = False
    _complete: tuple[bytes, bytes, bytes] | None = None
    _discarded: int = 0
    _gatekeeper: Gatekeeper | None = None

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        """Check the head before a byte of the body is read."""
        runtime = self._begin()
        try:
            self._admit(runtime, length)
        except BridgeError as error:
            self._refuse(error, now=length != 0)
        self.content = self._body.content if self._body is not None else None

    def refuse_length(self) -> None:
        """End a request whose length is no number, or one of more digits than Python reads."""
        self._begin()
        self._refuse(InvalidRequest("Content-Length is not a length", should_retry=False), now=True)
        self.finish()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep body bytes within the limit."""
        if self._share is not None:
            self._share.came(len(data))
        if self.refusal is not None or self._body is None:
            self._discard(len(data))
            return
        try:
            self._body.feed(data)
            self._hold()
        except BridgeError as error:
            self._refuse(error, now=True)
            return
        if self._body.behind:
            self.site.unpacking.add(self)

    @property
    def behind(self) -> bool:
        """Whether there is something to unpack."""
        return self._body is not None and self._body.behind

    def unpack(self, most: int) -> int:
        """Unpack up to ``most`` bytes, and read on, or take the request, when all that came is unpacked."""
        if self._body is None or not self._body.behind:
            return 0  # it was let go of meanwhile
        done = most
        try:
            done = self._body.unpack(most)
            self._hold()
        except BridgeError as error:
            self.turn_away(error)
            return done
        if self._body.behind:
            self._pause()
        else:
            self._go_on()
        return done

    def turn_away(self, error: BridgeError) -> None:
        """Refuse a request whose body is still coming; one that was refused before has had its time."""
        if self.refusal is not None:
            self.channel.abort()
            return
        self._refuse(error, now=True)
        self._go_on()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take the complete request, or end one that was refused.

        One that is not unpacked yet waits; Twisted keeps what comes after it, as while an answer is under way.
        """
        if self.refusal is None and self.behind:
            self._complete = (command, path, version)
            if self._share is not None:
                self._share.whole = True
            return
        if self.refusal is None and self._body is not None:
            try:
                self._body.end()
            except BridgeError as error:
                self._refuse(error, now=True)
        if self.refusal is None:
            if self._share is not None:
                self._share.received()
            super().requestReceived(command, path, version)
            return
        if not self.startedWriting:
            begin_error(self, self.refusal, self.request_id)
        self.finish()

    def process(self) -> None:
        """Send what Klein would answer with a page of its own to the envelope instead."""
        runtime = self.channel.site.current()
        error = self._odd_path() or self._no_more_welcome(runtime)
        if error is None:
            super().process()
            return
        runtime.refused(self, error)
        write_error(self, error, self.request_id)

    def _no_more_welcome(self, runtime: SiteRuntime) -> BridgeError | None:
        """Ask the configuration in force, where it is not the one that let the request's head in."""
        if runtime.gatekeeper is self._gatekeeper:
            return None
        try:
            self._pass(runtime.gatekeeper)
        except BridgeError as error:
            return error
        return None

    def _pass(self, gatekeeper: Gatekeeper) -> None:
        """Let the client in, or raise why not."""
        host = getattr(self.getHost(), "host", "")
        self.known_as = gatekeeper.admit(
            self.head(), self.path.decode("latin-1"), host, method=self.method.decode("latin-1")
        )
        self._gatekeeper = gatekeeper

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

    def finish(self) -> None:
        """End the answer, and hold nothing of the request any more."""
        self._close_share()
        super().finish()
        self._let_go()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Tell who waits that the client is gone, and hold nothing of the request any more."""
        super().connectionLost(reason)
        self._close_share()
        self._let_go()

    def take_body(self) -> bytes:
        """Return the whole body, decompressed; it is not kept here any longer, but counts until the answer's end.

        Raises `BridgeOverloaded` for a large one whose texts may become so wide that there is no room for them.
        """
        body = self._body.take() if self._body is not None else b""
        self.content = None
        if len(body) >= LARGE and self._share is not None:
            self._share.set_aside(max_text_expansion(body) * len(body))
        return body

    def weigh_by(self, asked: ref[MessagesRequest]) -> None:
        """Have what the body became looked at where memory is short: it may be much more than the body."""
        if self._share is not None:
            self._share.weigh_by(partial(_beyond, asked, self.body_bytes))

    @property
    def body_bytes(self) -> int:
        """Return the body's size, also when the connection is gone and the body with it."""
        return self._body.size if self._body is not None else 0

    @property
    def peer(self) -> str:
        """Return the client's address, "" on a UNIX socket."""
        return str(getattr(self.getClientAddress(), "host", ""))

    def head(self) -> dict[str, str]:
        """Return the headers as the client sent them, names in lower case, the first value of each."""
        if self._head is None:
            self._head = {
                name.decode("latin-1").lower(): values[0].decode("latin-1")
                for name, values in self.requestHeaders.getAllRawHeaders()
            }
        return self._head

    def _begin(self) -> SiteRuntime:
        """Learn what the channel knows of the head, which Twisted tells later, and what every answer has."""
        channel = self.channel
        self.method, self.uri, self.clientproto = channel._command, channel._path, channel._version  # noqa: SLF001 - guarded by a test
        self.path = self.uri.split(b"?", 1)[0]
        self.site = channel.site  # Twisted sets it later, and takes the channel away at the end
        runtime = channel.site.current()
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
        self._pass(runtime.gatekeeper)
        self._body = IncomingBody(runtime.limits.max_body, head.get("content-encoding", ""))
        self._body.declared(length)
        if length != 0:
            self._share = self.site.budget.open(self, length, runtime.sweep)

    def _check_framing(self) -> None:
        """Raise `InvalidRequest` for a head that a proxy in front may read otherwise (RFC 9112, 3.2 and 6.3).

        Each could smuggle one request past such a proxy inside another.
        """
        if len(self.requestHeaders.getRawHeaders(b"host", ())) > 1:
            raise InvalidRequest("the request has more than one Host header", should_retry=False)
        codings = self.requestHeaders.getRawHeaders(b"transfer-encoding", ())
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            raise InvalidRequest("Transfer-Encoding must be chunked, and given once", should_retry=False)

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
        self._let_go()  # what came of it is not kept while the rest comes
        if self._share is not None:
            self._share.release()
        self._resume()
        if now and not self.startedWriting:
            begin_error(self, error, self.request_id)

    def _hold(self) -> None:
        """Count what there is of the body; raises `BridgeOverloaded` if it is too much with everybody else's."""
        if self._share is not None and self._body is not None:
            self._share.hold(FORMS * self._body.size + self._body.beside)

    def _let_go(self) -> None:
        """Hold nothing of the body, neither here nor where Twisted keeps it for as long as there is the request."""
        self.content = None
        if self._body is not None:
            self._body.drop()

    def _close_share(self) -> None:
        """Count nothing any more, and lead nobody back here."""
        share, self._share = self._share, None
        if share is not None:
            share.close()

    def _pause(self) -> None:
        """Read nothing more of a body that is not unpacked yet."""
        if not self._paused:
            self._paused = True
            cast(IPushProducer, self.transport).pauseProducing()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            cast(IPushProducer, self.transport).resumeProducing()

    def _go_on(self) -> None:
        """Read on, or take the request if all of it had come."""
        self._resume()
        complete, self._complete = self._complete, None
        if complete is not None:
            self.requestReceived(*complete)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_DISCARDED_BYTES:
            self.channel.abort()


class BridgeChannel(HTTPChannel):
    """One client connection, with a deadline for each request head and one for a client that takes nothing.

    Twisted's own timeout starts again with every byte, so that one byte a minute would hold a connection for ever. And
    it runs from the moment an answer is written, though a slow client may be reading it for much longer.
    """

    site: BridgeSite
    requestFactory = BridgeRequest  # noqa: N815 - Twisted's name
    _deadline: IDelayedCall | None = None
    _stalled: IDelayedCall | None = None
    _lost: bool = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the site's connections."""
        super().connectionMade()
        self.site.connected(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Start the deadline of a head that is not complete with these bytes, the first or a later one."""
        try:
            super().dataReceived(data)
        except ValueError as error:
            if not _raised_by(error, HTTPChannel._maybeChooseTransferDecoder):  # noqa: SLF001 - guarded by a test
                raise
            self.requests[-1].refuse_length()
            return
        if self._deadline is None and not self._lost and self._inside_head():
            self._deadline = self.site.clock.callLater(self.site.current().limits.header_timeout, self._too_slow)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Stop the deadline. What Twisted then says of the next request does not hold while the site is draining."""
        self._stop_deadline()
        super().allHeadersReceived()
        if self.site.draining:
            self.persistent = False

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Give a client some time to take what the transport could not send at once."""
        super().pauseProducing()
        self._expect_reading()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """See that the client has taken everything."""
        self._stop_stalled()
        super().resumeProducing()

    def timeoutConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close an idle connection; one whose client still has an answer to take is not idle."""
        if self._stalled is not None:
            self.setTimeout(self.timeOut)
        else:
            super().timeoutConnection()

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close when all is sent; Twisted would wait for that for ever, and tells nothing of it any more."""
        super().loseConnection()
        if not self._lost:
            self._expect_reading()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Leave the site's connections."""
        self._lost = True
        self._stop_deadline()
        self._stop_stalled()
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

    def _inside_head(self) -> bool:
        """Return whether a head has begun: in line mode there is neither a body to come nor an answer under way."""
        return bool(self.line_mode and self.persistent and (self.requests or self._buffer))

    def _expect_reading(self) -> None:
        self._stop_stalled()
        self._stalled = self.site.clock.callLater(self.site.current().limits.stalled_client, self._took_nothing)

    def _too_slow(self) -> None:
        self._deadline = None
        self.abort()

    def _took_nothing(self) -> None:
        self._stalled = None
        self.abort()

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def _stop_stalled(self) -> None:
        stalled, self._stalled = self._stalled, None
        if stalled is not None and stalled.active():
            stalled.cancel()


class BridgeSite(Site):
    """The factory of client connections.

    :ivar current: gives the running configuration, anew for each request.
    :ivar budget: what requests hold in memory.
    :ivar unpacking: packed bodies that are being unpacked.
    """

    noisy = False  # Twisted would log its start and end with the object's address

    def __init__(self, resource: IResource, current: Callable[[], SiteRuntime], clock: IReactorTime) -> None:
        super().__init__(resource, parsePOSTFormSubmission=False, reactor=clock)
        self.current = current
        self.clock = clock
        self.budget = Budget(lambda: current().limits)
        self.unpacking = Unpacking(clock.callLater)
        self._channels: set[BridgeChannel] = set()
        self._drained: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802, ANN401 - Twisted's signature; it would say its own channel
        """Make a connection's channel; HTTP/1.1 only, for HTTP/2 would swap our channel for another."""
        del addr
        channel: Any = BridgeChannel()
        channel.factory = self
        channel.site = self
        channel.callLater = self.clock.callLater
        channel.timeOut = self.current().limits.keep_alive
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
        late = self.clock.callLater(timeout, self.abort)
        drained = self._drained
        drained.addCallback(lambda _: late.cancel() if late.active() else None)
        for channel in tuple(self._channels):
            channel.drain()
        return drained

    def abort(self) -> None:
        """Close every connection now."""
        for channel in tuple(self._channels):
            channel.abort()


def _beyond(asked: ref[MessagesRequest], size: int) -> int | None:
    """Return the bytes that a decoded request holds beyond the ``size`` of its body; None while it is not read yet."""
    request = asked()
    if request is None:
        return 0
    decoded = request_weight(request)
    return None if decoded is None else max(0, decoded - size)


def _raised_by(error: BaseException, function: Callable[..., object]) -> bool:
    """Return whether ``error`` was raised in ``function`` itself, and not in something that it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is function.__code__
