"""One connection to a backend, and the response that comes on it: what is read at once is passed on in one piece."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol, cast

from attrs import define
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IProtocol, IPushProducer, ITransport
from twisted.internet.protocol import Protocol as BaseProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from claude_bridge.core.http1 import Head, ResponseParser


class ConnectionCut(Exception):
    """The connection ended before the response was complete."""


class NoResponse(ConnectionCut):
    """It ended before the first byte of a response."""


class HeadCut(ConnectionCut):
    """It ended inside the head."""


_DROPPED: Final = Headers()
_DONE: Final = Failure(ResponseDone())
_UNFRAMED: Final = Failure(PotentialDataLoss())


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


class Pool(Protocol):
    """Where a connection goes when it is idle, and who must know of its end."""

    def put(self, connection: Connection) -> None:
        """Keep an idle connection."""

    def retire(self, connection: Connection) -> None:
        """Close a connection that is not to be kept, and see that it ends."""

    def lost(self, connection: Connection) -> None:
        """Forget a connection that has ended."""


@implementer(IHandshakeListener)
class Connection(BaseProtocol):
    """A connection to a backend: one request at a time, then idle until the next.

    ::

        idle --- ask ---> asked --- head ---> answering --- end of the body ---> idle, or closed

    :ivar origin: what it is connected to.
    """

    _parser: ResponseParser | None = None
    _asked: Deferred[IResponse] | None = None
    _response: Response | None = None
    _securing: Deferred[Connection] | None = None

    def __init__(self, pool: Pool, origin: object) -> None:
        self.origin = origin
        self._pool = pool

    @property
    def socket(self) -> Any:  # noqa: ANN401 - several interfaces of Twisted's at once
        """The transport."""
        return self.transport

    def ask(self, method: bytes, request: list[bytes]) -> Deferred[IResponse]:
        """Send a request; its response comes with the Deferred, which may be cancelled.

        It fails with a `ConnectionCut` or a `FramingError`.
        """
        self._parser = ResponseParser(method)
        self._asked = Deferred(self._cancelled)
        self.socket.writeSequence(request)
        return self._asked

    def _cancelled(self, _: object) -> None:
        self._asked = None
        self.leave()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Parse the bytes of one read, and pass on what there is of the body in one piece."""
        parser = self._parser
        if parser is None:
            self.abort()  # nobody asked for anything
            return
        body = parser.feed(data)
        if self._asked is not None and parser.head is not None:
            self._begin(self._asked, parser.head)
            parser.drop_headers()
        response = self._response
        if response is not None and body:
            response.deliver(body)
        if parser.error is not None:
            self.abort()
            self._fail(Failure(parser.error))
        elif parser.complete and response is not None and response is self._response:
            self._end(response, parser)

    def _begin(self, asked: Deferred[IResponse], head: Head) -> None:
        self._response = Response.of(head, self)
        self._asked = None
        asked.callback(self._response)

    def _end(self, response: Response, parser: ResponseParser) -> None:
        """End the response, and become idle if the connection can be used again."""
        self._parser = self._response = None
        if parser.reusable:
            self.socket.resumeProducing()  # its reader may have paused it at the very end
            self._pool.put(self)
        else:
            self._pool.retire(self)
        response.end(_DONE)

    def _fail(self, reason: Failure) -> None:
        """Report to whoever waits for the response, or the rest of it, why it does not come."""
        asked, self._asked = self._asked, None
        response, self._response = self._response, None
        self._parser = None
        if asked is not None:
            asked.errback(reason)
        if response is not None:
            response.end(reason)

    def leave(self) -> None:
        """Close the connection: the rest of the response is not wanted."""
        self._parser = self._response = None
        self.abort()

    def close(self) -> None:
        """Close the connection in good order; over TLS the peer has to agree."""
        self.socket.loseConnection()

    def abort(self) -> None:
        """Close the connection at once: over TLS closing in good order would wait for the peer."""
        self.socket.abortConnection()

    def secured(self) -> Deferred[Connection]:
        """Return what fires when the TLS handshake of a new connection is complete; cancelling it closes it."""

        def cancelled(_: object) -> None:
            self._securing = None
            self.abort()

        self._securing = Deferred(cancelled)
        return self._securing

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Fire `secured`: the handshake is complete and the certificate is valid."""
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End the response, or fail the request or the handshake."""
        self._pool.lost(self)
        forget_unsent(self.transport)
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.errback(reason)
        if self._parser is not None:
            self._fail(_end_of(self._parser))


def _end_of(parser: ResponseParser) -> Failure:
    """Return how a response ends with its connection."""
    if parser.ends_with_connection:
        return _UNFRAMED
    if parser.head is not None:
        return Failure(ConnectionCut())
    return Failure(HeadCut() if parser.started else NoResponse())


@implementer(IResponse, IPushProducer)
@define(eq=False)
class Response:
    """A response as treq knows it, and the transport of the protocol that takes its body.

    Until there is such a protocol, reading is paused. After the end nothing that is done to the response reaches the
    connection, which may serve another request by then.
    """

    _connection: Connection | None
    version: tuple[bytes, int, int]
    code: int
    phrase: bytes
    headers: Headers
    previousResponse: IResponse | None = None  # noqa: N815 - Twisted's name
    _protocol: IProtocol | None = None
    _held: bytes = b""
    _ended: Failure | None = None

    request: ClassVar[Any] = None  # not kept: nobody asks for it
    length: ClassVar[Any] = UNKNOWN_LENGTH

    @classmethod
    def of(cls, head: Head, connection: Connection) -> Response:
        """Return the response that begins with ``head``."""
        headers = Headers()
        for name, value in head.headers:
            headers.addRawHeader(name, value)
        return cls(connection, (b"HTTP", 1, head.version), head.status, head.phrase, headers)

    def setPreviousResponse(self, response: IResponse) -> None:  # noqa: N802 - Twisted's name
        """Note the response that redirected here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:  # noqa: N802 - Twisted's name
        """Pass the body to ``protocol``, and then how it ended: ``ResponseDone``, ``PotentialDataLoss`` or an error.

        The headers were read by then, and are not kept for the time of the answer.
        """
        self.headers = _DROPPED
        held, self._held = self._held, b""
        if held:
            self.resumeProducing()
        self._protocol = protocol
        protocol.makeConnection(cast(ITransport, self))
        if held and self._protocol is not None:
            protocol.dataReceived(held)
        if self._ended is not None:
            self.end(self._ended)

    def deliver(self, data: bytes) -> None:
        """Pass on what one read has brought."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)
        else:
            self._held += data
            self.pauseProducing()

    def end(self, reason: Failure) -> None:
        """Pass on the end of the body."""
        self._ended = reason
        self._connection = None
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop reading for now; what the current read has brought is still passed on."""
        if self._connection is not None:
            self._connection.socket.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read on."""
        if self._connection is not None:
            self._connection.socket.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Close the connection at once; nothing more is passed on."""
        connection, self._connection = self._connection, None
        self._protocol = None
        if connection is not None:
            connection.leave()
