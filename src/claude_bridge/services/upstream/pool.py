"""Upstream connections: kept for reuse, repaired when they turn out dead, read in whole gulps.

The names of Twisted's that are private and used here are ``HTTPConnectionPool._factory``, ``_newConnection`` and
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

# Servers and middle boxes that close idle connections after a minute (nginx 75 s, common load balancers 60 s) never
# see ours that long, so none is dropped behind our back. Those that close after 5 s (uvicorn, Node, llama.cpp) do it
# visibly, and the race that is left is what `ReplayingConnection` repairs. Shorter would cost a TLS handshake after
# every tool that a client runs.
IDLE_SECONDS = 30

# A peer that never answers our close must not hold up the daemon's stop.
CLOSE_SECONDS = 2.0


@implementer(IBodyProducer)
class BytesBody:
    """Gives all bytes in one synchronous write, as often as it is asked.

    treq's own choice, ``FileBodyProducer``, copies through the global reactor's cooperator; this one needs no
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
        """Let go of the bytes: nobody will ask for them again. An answer has begun or will not come, or they are sent.

        Twisted keeps a request's producer in a cycle of its own until the garbage collector looks, which is rare.
        """
        self._data = b""

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""


def forget_unsent(transport: object) -> None:
    """Drop what a lost connection had still to send.

    Twisted keeps the transport of a client in a cycle of its own until the garbage collector looks, which is rare; a
    conversation that a backend did not take would wait with it. The names used are guarded by a test.
    """
    while isinstance(transport, ProtocolWrapper):  # TLS
        transport = transport.transport
    if isinstance(transport, FileDescriptor):
        transport.dataBuffer, transport.offset = b"", 0
        transport._tempDataBuffer, transport._tempDataLen = [], 0  # noqa: SLF001 - as above


class Flushable(Protocol):
    """Something that holds bytes back until the read they came from is over."""

    def flush(self) -> None:
        """Give out what is held."""


class Reads:
    """Tells bodies when the read that feeds them is over.

    A chunked answer usually has one chunk an event, and Twisted hands out each chunk by itself. What one read from
    the socket yields shall go out in one write, so bodies hold their chunks until the read is over. What they hold
    is bounded by one read (64 KiB).

    :ivar bodies: who wants to hear of the end of the read going on; None while none is going on.
    """

    def __init__(self) -> None:
        self.bodies: list[Flushable] | None = None

    def during(self, receive: Callable[[bytes], None], data: bytes) -> None:
        """Let ``receive`` take ``data``, then flush every body that got some of it."""
        outer, self.bodies = self.bodies, []
        try:
            receive(data)
        finally:
            bodies, self.bodies = self.bodies, outer
        for body in bodies:
            body.flush()


@implementer(IHandshakeListener)
class Connection(HTTP11ClientProtocol):
    """An HTTP/1.1 client connection that knows whether it was used before, and when its TLS handshake is over.

    :ivar requests: how many were sent on it.
    """

    _securing: Deferred[HTTP11ClientProtocol] | None = None

    def __init__(self, quiescent: Callable[[HTTP11ClientProtocol], None], reads: Reads) -> None:
        super().__init__(quiescent)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        self.requests = 0
        self._reads = reads

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send ``request``; the head of its answer is bounded.

        The first request on a connection is never sent again, so its body need not be kept.
        """
        self.requests += 1
        answer = super().request(request)
        if self._parser is not None:
            self._parser.__class__ = BoundedParser  # which Twisted makes itself and nobody can hand in
        if self.requests == 1 and isinstance(request.bodyProducer, BytesBody):
            request.bodyProducer.release()
        return answer

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take one read from the socket."""
        self._reads.during(super().dataReceived, data)

    def _giveUp(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Close without waiting where the peer does not keep to HTTP: over TLS it would have to agree, and may not."""
        super()._giveUp(reason)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        if not reason.check(ConnectionDone):
            cast(ITCPTransport, self.transport).abortConnection()

    def secured(self) -> Deferred[HTTP11ClientProtocol]:
        """Wait for the TLS handshake of a connection just made; cancelling closes it."""

        def cancelled(_: object) -> None:
            self._securing = None
            cast(ITCPTransport, self.transport).abortConnection()

        self._securing = Deferred(cancelled)
        return self._securing

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Take note that TLS stands and the certificate is good."""
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End what is under way."""
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
    """A reused connection whose request is repeated once, on a fresh one, if it proves to have been dead.

    A server may close an idle connection just as we send on it; nothing was processed then. So the request is
    repeated if no byte of an answer came, its body can be produced again and nobody cancelled it. On a fresh
    connection the same silence means that the server took the request and died over it: never repeated.
    """

    def __init__(self, connection: HTTP11ClientProtocol, fresh: Callable[[], Deferred[HTTP11ClientProtocol]]) -> None:
        self._connection = connection
        self._fresh = fresh

    def request(self, request: Request) -> Deferred[IResponse]:
        """Send ``request``, twice if need be."""

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

    :param max_connections: how many idle ones are kept.
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
        """Return an idle connection or a new one; a used one comes with the means to repair it."""

        def guarded(connection: HTTP11ClientProtocol) -> HTTP11ClientProtocol | ReplayingConnection:
            if cast(Connection, connection).requests == 0:
                return connection
            return ReplayingConnection(connection, lambda: self._newConnection(key, endpoint))

        return cast("Deferred[Any]", super().getConnection(key, endpoint)).addCallback(guarded)

    def _putConnection(self, key: Hashable, connection: Connection) -> None:  # noqa: N802 - Twisted's name
        """Keep a connection whose answer is complete, unless nobody will want it any more."""
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
