"""Upstream connections: kept for reuse, replaced when they turn out to be dead, flushed once per read.

The private names of Twisted that are used here are ``HTTPConnectionPool._factory``, ``_newConnection`` and
``_putConnection``, ``HTTP11ClientProtocol._giveUp``, and the module of the latter; tests guard each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import AlreadyCalled, AlreadyCancelled, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHandshakeListener,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, Request, RequestNotSent
from twisted.web.client import HTTPConnectionPool, RequestTransmissionFailed, ResponseNeverReceived
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from claude_bridge.services.upstream.response_head import BoundedParser

# Servers and middleboxes that close idle connections after a minute (nginx 75 s, common load balancers 60 s) never see
# ours idle that long, so none of ours is dropped unnoticed. Those that close after 5 s (uvicorn, Node, llama.cpp) do it
# visibly; `ReplayingConnection` handles the race that remains. A shorter time would cost a TLS handshake after every
# tool that a client runs.
IDLE_SECONDS = 30

# A peer that never answers our close must not delay the daemon's stop.
CLOSE_SECONDS = 2.0


@implementer(IBodyProducer)
class BytesBody:
    """Writes all bytes in one synchronous write, as often as needed.

    treq would use ``FileBodyProducer``, which copies through the global reactor's cooperator; this one needs no
    reactor, and can be sent a second time when a reused connection turns out to be dead.

    :ivar length: bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self._data = data

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Write everything."""
        consumer.write(self._data)
        return succeed(None)

    def release(self) -> None:
        """Drop the bytes when they will not be sent again: a response has begun or will not come.

        Twisted keeps a request's producer in a reference cycle until a garbage collection, which is rare.
        """
        self._data = b""

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""


def forget_unsent(transport: object) -> None:
    """Drop the bytes that a lost connection had yet to send.

    Twisted keeps the transport of a client in a reference cycle until a garbage collection, which is rare; a
    conversation that a backend did not read would stay with it. A test guards the private names used here.
    """
    while isinstance(transport, ProtocolWrapper):  # TLS
        transport = transport.transport
    if isinstance(transport, FileDescriptor):
        transport.dataBuffer, transport.offset = b"", 0
        transport._tempDataBuffer, transport._tempDataLen = [], 0  # noqa: SLF001 - as above


class Flushable(Protocol):
    """Something that holds bytes until the read that they came from is over."""

    def flush(self) -> None:
        """Pass on the held bytes."""


class Reads:
    """Flushes bodies when the read that feeds them is over.

    A chunked response usually has one chunk per event, and Twisted delivers each chunk separately. What one read from
    the socket brings should go out in one write, so bodies hold their chunks until the read is over. They hold at most
    one read (64 KiB).

    :ivar bodies: the bodies to flush after the current read; None while there is none.
    """

    def __init__(self) -> None:
        self.bodies: list[Flushable] | None = None

    def during(self, receive: Callable[[bytes], None], data: bytes) -> None:
        """Pass ``data`` to ``receive``, then flush every body that got some of it."""
        outer, self.bodies = self.bodies, []
        try:
            receive(data)
        finally:
            bodies, self.bodies = self.bodies, outer
        for body in bodies:
            body.flush()


@implementer(IHandshakeListener)
class Connection(HTTP11ClientProtocol):
    """An HTTP/1.1 client connection that knows whether it was used before, and when its TLS handshake is complete.

    :ivar requests: the number of requests sent on it.
    """

    _securing: Deferred[HTTP11ClientProtocol] | None = None

    def __init__(self, quiescent: Callable[[HTTP11ClientProtocol], None], reads: Reads) -> None:
        super().__init__(quiescent)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        self.requests = 0
        self._reads = reads

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send ``request``; the head of its response is bounded.

        The first request on a connection is never repeated, so its body need not be kept.
        """
        self.requests += 1
        answer = super().request(request)
        if self._parser is not None:
            self._parser.__class__ = BoundedParser  # Twisted makes the parser itself, and takes no other class
        if self.requests == 1 and isinstance(request.bodyProducer, BytesBody):
            request.bodyProducer.release()
        return answer

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Handle the bytes of one read from the socket."""
        self._reads.during(super().dataReceived, data)

    def _giveUp(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Abort the connection if the peer violates HTTP: over TLS, closing would wait for the peer."""
        super()._giveUp(reason)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        if not reason.check(ConnectionDone):
            cast(ITCPTransport, self.transport).abortConnection()

    def secured(self) -> Deferred[HTTP11ClientProtocol]:
        """Return what fires when the TLS handshake of a new connection is complete; cancelling it closes it."""

        def cancelled(_: object) -> None:
            self._securing = None
            cast(ITCPTransport, self.transport).abortConnection()

        self._securing = Deferred(cancelled)
        return self._securing

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Fire `secured`: the handshake is complete and the certificate is valid."""
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Drop unsent bytes, and fail a handshake under way."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        forget_unsent(self.transport)
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.errback(reason)


class ConnectionFactory(Factory):
    """Builds `Connection` objects, with the arguments that ``HTTPConnectionPool`` gives its factory."""

    noisy = False

    def __init__(self, quiescent: Callable[[HTTP11ClientProtocol], None], reads: Reads) -> None:
        self._quiescent = quiescent
        self._reads = reads

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # noqa: ARG002, N802 - Twisted's signature
        """Build one."""
        return Connection(self._quiescent, self._reads)


class ReplayingConnection:
    """A reused connection whose request is repeated once, on a new connection, if it turns out to be dead.

    A server may close an idle connection at the moment when we send on it; then it has processed nothing. So the
    request is repeated if no byte of a response came, its body can be produced again and it was not cancelled. On a new
    connection the same failure means that the server received the request and failed: it is never repeated.
    """

    def __init__(self, connection: HTTP11ClientProtocol, fresh: Callable[[], Deferred[HTTP11ClientProtocol]]) -> None:
        self._connection = connection
        self._fresh = fresh

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send ``request``, a second time if needed."""

        def failed(failure: Failure) -> Deferred[IResponse]:
            if not _may_repeat(request, failure):
                return fail(failure)
            return self._fresh().addCallback(lambda connection: connection.request(request))

        return self._connection.request(request).addErrback(failed)


def _may_repeat(request: Request, failure: Failure) -> bool:
    error = failure.value
    if not isinstance(error, (RequestNotSent, RequestTransmissionFailed, ResponseNeverReceived)):
        return False
    if any(reason.check(CancelledError) for reason in getattr(error, "reasons", ())):
        return False
    return request.bodyProducer is None or isinstance(request.bodyProducer, BytesBody)


class ReplayPool(HTTPConnectionPool):
    """The connections to one backend.

    :param max_connections: the number of idle ones that are kept.
    """

    def __init__(self, reactor: IReactorTime, max_connections: int) -> None:
        super().__init__(reactor, persistent=True)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        self.reads = Reads()
        self.maxPersistentPerHost = max(1, max_connections)
        self.cachedConnectionTimeout = IDLE_SECONDS
        self.retryAutomatically = False
        self._clock = reactor
        self._closed = False

    def _factory(  # type: ignore[override]  # a class there, called the same way
        self,
        quiescent: Callable[[HTTP11ClientProtocol], None],
        metadata: str,  # noqa: ARG002 - Twisted's signature
    ) -> ConnectionFactory:
        return ConnectionFactory(quiescent, self.reads)

    def getConnection(self, key: Hashable, endpoint: IStreamClientEndpoint) -> Deferred[Any]:  # noqa: N802 - Twisted's name
        """Return an idle connection, which repeats its request if it is dead, or a new one."""

        def guarded(connection: HTTP11ClientProtocol) -> HTTP11ClientProtocol | ReplayingConnection:
            if cast(Connection, connection).requests == 0:
                return connection
            return ReplayingConnection(connection, lambda: self._newConnection(key, endpoint))

        return cast("Deferred[Any]", super().getConnection(key, endpoint)).addCallback(guarded)

    def _putConnection(self, key: Hashable, connection: Connection) -> None:  # noqa: N802 - Twisted's name
        """Keep a connection whose response is complete, unless the pool is closed."""
        if self._closed:
            cast(ITransport, connection.transport).loseConnection()
        else:
            super()._putConnection(key, connection)  # type: ignore[no-untyped-call]  # Twisted's is untyped

    def close(self) -> Deferred[None]:
        """Close the idle connections, and the others as soon as they are idle; fires within `CLOSE_SECONDS`."""
        self._closed = True
        closed = Deferred[None]()
        limit = self._clock.callLater(CLOSE_SECONDS, closed.callback, None)

        def all_closed(_: object) -> None:
            try:
                limit.cancel()
            except (AlreadyCalled, AlreadyCancelled):
                return
            closed.callback(None)

        idle_closed: Deferred[None] = self.closeCachedConnections()  # type: ignore[no-untyped-call]  # Twisted's is untyped
        idle_closed.addBoth(all_closed)
        return closed
