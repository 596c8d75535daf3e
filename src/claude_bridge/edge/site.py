"""The HTTP server below the routes: connections, deadlines, draining.

Subclasses of Twisted's own objects that change as little as possible: a channel with a deadline for the request head, a
site that knows its connections. The request is in `request.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Site

from claude_bridge.edge.attribute_names import share_names
from claude_bridge.edge.memory_budget import MemoryBudget
from claude_bridge.edge.request import BridgeRequest, Intake, SiteRuntime
from claude_bridge.edge.unpacking import Unpacking
from claude_bridge.services.callbacks import stop_timer

END_OF_HEAD: Final = b"\r\n\r\n"

CHANNEL_NAMES: Final = (
    *("_HTTPChannel__first_line", "_HTTPChannel__header", "_TimeoutMixin__timeoutCall", "_buffer", "_busyReceiving"),
    *("_command", "_dataBuffer", "_handlingRequest", "_head_timer", "_networkProducer", "_path"),
    *("_receivedHeaderCount", "_receivedHeaderSize", "_requestProducer", "_requestProducerStreaming"),
    *("_savedTimeOut", "_stall_timer", "_transferDecoder", "_version", "callLater", "connected", "factory", "length"),
    *("line_mode", "persistent", "requests", "site", "timeOut", "transport"),
)
"""The attributes that a channel has by the end of a streamed response, or that Twisted sets while it reads a head."""

LARGE_READ_BYTES: Final = 4 * 1024
"""Bytes of a read from which on it is worth a search for the end of the head."""


class BridgeChannel(HTTPChannel):
    """One client connection, with a deadline for each request head and one for a client that reads nothing.

    Twisted's own timeout starts again with every byte, so a client could hold a connection for ever with one byte a
    minute. And it runs from the moment a response is written, although a slow client may read it for much longer.
    """

    site: BridgeSite
    _head_timer: IDelayedCall | None = None
    _stall_timer: IDelayedCall | None = None
    _lost: bool = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Register with the site."""
        super().connectionMade()
        self.site.connected(self)

    @staticmethod
    def _request(channel: BridgeChannel, queued: object) -> BridgeRequest:
        """Return the request whose head comes now."""
        return BridgeRequest(channel.site.intake, channel, queued)

    requestFactory: Any = _request  # noqa: N815 - Twisted's name; set for each channel it would not fit into CHANNEL_NAMES

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Start the deadline of a request head that these bytes begin and do not complete."""
        try:
            self._receive(data)
        except ValueError as error:
            if not _raised_by(error, HTTPChannel._maybeChooseTransferDecoder):  # noqa: SLF001 - guarded by a test
                raise
            self.requests[-1].refuse_length()
            return
        if self._head_timer is None and not self._lost and self._inside_head():
            self._head_timer = self.site.clock.callLater(
                self.site.current().limits.header_timeout, self._head_timed_out
            )

    def _receive(self, data: bytes) -> None:
        """Pass on what was read, the head apart: for each of its lines Twisted copies all that follows in one piece."""
        if self.line_mode and len(data) > LARGE_READ_BYTES and END_OF_HEAD in data:
            end = data.index(END_OF_HEAD) + len(END_OF_HEAD)
            super().dataReceived(data[:end])
            if getattr(self.transport, "disconnecting", False):
                return
            data = data[end:]
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Stop the deadline. While the site is draining the connection does not persist, whatever Twisted decides."""
        self._stop_head_timer()
        super().allHeadersReceived()
        if self.site.draining:
            self.persistent = False

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:  # noqa: N802 - Twisted's name
        """Write a response's head in one piece: of a sequence, the transport looks at each."""
        lines = [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        cast(ITCPTransport, self.transport).write(b"%b %b %b\r\n%b\r\n" % (version, code, reason, b"".join(lines)))

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Start the timer for a client that has yet to read what was written."""
        super().pauseProducing()
        self._start_stall_timer()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop that timer: the client has read everything."""
        self._stop_stall_timer()
        super().resumeProducing()

    def timeoutConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close an idle connection; one whose client is still reading a response is not idle."""
        if self._stall_timer is not None:
            self.setTimeout(self.timeOut)
        else:
            super().timeoutConnection()

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close when everything is sent, within the time of the stall timer: Twisted would wait for ever."""
        super().loseConnection()
        if not self._lost:
            self._start_stall_timer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Stop the timers and unregister from the site."""
        self._lost = True
        self._stop_head_timer()
        self._stop_stall_timer()
        try:
            super().connectionLost(reason)
        finally:
            self.site.disconnected(self)

    def drain(self) -> None:
        """Close after the response under way; at once if there is none."""
        self.persistent = False
        if not self.requests:
            self.loseConnection()

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()

    def _inside_head(self) -> bool:
        """Return whether a head has begun: in line mode no body is expected and no response is under way."""
        return bool(self.line_mode and self.persistent and (self.requests or self._buffer))

    def _start_stall_timer(self) -> None:
        self._stop_stall_timer()
        self._stall_timer = self.site.clock.callLater(self.site.current().limits.stalled_client, self._client_stalled)

    def _head_timed_out(self) -> None:
        self._head_timer = None
        self.abort()

    def _client_stalled(self) -> None:
        self._stall_timer = None
        self.abort()

    def _stop_head_timer(self) -> None:
        timer, self._head_timer = self._head_timer, None
        stop_timer(timer)

    def _stop_stall_timer(self) -> None:
        timer, self._stall_timer = self._stall_timer, None
        stop_timer(timer)


share_names(BridgeChannel, CHANNEL_NAMES)


class BridgeSite(Site):
    """The factory of client connections.

    :ivar current: returns the running configuration; called for each request.
    :ivar budget: the memory that requests hold.
    :ivar unpacking: the gzip bodies that are being unpacked.
    :ivar intake: what its requests need of all this.
    """

    noisy = False  # Twisted would log its start and end with the object's address

    def __init__(self, resource: IResource, current: Callable[[], SiteRuntime], clock: IReactorTime) -> None:
        self.current = current
        self.clock = clock
        self.budget = MemoryBudget(lambda: current().limits)
        self.unpacking = Unpacking(clock.callLater)
        self.intake = Intake(current=current, budget=self.budget, unpacking=self.unpacking)
        super().__init__(resource, parsePOSTFormSubmission=False, reactor=clock)
        self._channels: set[BridgeChannel] = set()
        self._drained: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802, ANN401 - Twisted's signature; it would say its own channel
        """Return a connection's channel; HTTP/1.1 only, because for HTTP/2 Twisted would replace our channel."""
        del addr
        channel: Any = BridgeChannel()
        channel.factory = self
        channel.site = self
        channel.callLater = self.clock.callLater
        channel.timeOut = self.current().limits.keep_alive
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 - Twisted's name
        """Return HTTP/1.1."""
        return [b"http/1.1"]

    def getResourceFor(self, request: HTTPRequest) -> IResource:  # noqa: N802 - Twisted's name
        """Return the site's one resource, of which Twisted would look for the children."""
        del request
        resource: IResource = self.resource
        return resource

    def log(self, request: HTTPRequest) -> None:
        """Do nothing: the bridge's own log line replaces Twisted's access log."""

    @property
    def draining(self) -> bool:
        """Whether connections are closed after their current response."""
        return self._drained is not None

    def connected(self, channel: BridgeChannel) -> None:
        """Register a connection."""
        self._channels.add(channel)
        if self._drained is not None:
            channel.drain()

    def disconnected(self, channel: BridgeChannel) -> None:
        """Unregister a connection."""
        self._channels.discard(channel)
        if self._drained is not None and not self._channels and not self._drained.called:
            self._drained.callback(None)

    def drain(self, timeout: float) -> Deferred[None]:
        """Close every connection; the Deferred fires when the last one is closed.

        Idle connections are closed at once, the others after their response; those that are left after ``timeout``
        seconds are aborted.
        """
        self._drained = Deferred()
        if not self._channels:
            self._drained.callback(None)
            return self._drained
        timer = self.clock.callLater(timeout, self.abort)
        drained = self._drained
        drained.addCallback(lambda _: stop_timer(timer))
        for channel in tuple(self._channels):
            channel.drain()
        return drained

    def abort(self) -> None:
        """Close every connection now."""
        for channel in tuple(self._channels):
            channel.abort()


def _raised_by(error: BaseException, function: Callable[..., object]) -> bool:
    """Return whether ``error`` was raised in ``function`` itself, and not in something that it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is function.__code__
