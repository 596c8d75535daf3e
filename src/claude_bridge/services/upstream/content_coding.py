"""Responses that a backend compresses unasked: gzip is unpacked, one piece in each turn of the reactor.

A kilobyte of gzip may hold a megabyte. Twisted's own decoder, which treq uses, would unpack everything that one read
has brought at once, and all of it would be handled in one turn.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IDelayedCall, IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse
from zope.interface import implementer

PIECE: Final = 64 * 1024
"""Bytes unpacked in one turn: as many as one read from a socket brings."""

_GZIP: Final = 16 + zlib.MAX_WBITS


def decoded(response: IResponse, clock: IReactorTime) -> IResponse:
    """Return a response whose gzip body is unpacked. For any other coding, header and body stay as they are."""
    codings = b",".join(response.headers.getRawHeaders(b"content-encoding", [])).lower().replace(b" ", b"").split(b",")
    if codings in ([b""], [b"identity"]):
        return response
    if codings not in ([b"gzip"], [b"x-gzip"]):
        response.headers.setRawHeaders(b"content-encoding", [b"+".join(codings)])  # so that treq does not decode it
        return response
    response.headers.removeHeader(b"content-encoding")
    return UnpackedResponse(response, clock)


class UnpackedResponse(proxyForInterface(IResponse)):  # type: ignore[misc]  # a class made at run time
    """A response whose gzip body reaches its protocol unpacked."""

    def __init__(self, response: IResponse, clock: IReactorTime) -> None:
        super().__init__(response)
        self._clock = clock

    def deliverBody(self, protocol: IProtocol) -> None:  # noqa: N802 - Twisted's name
        """Deliver the unpacked body."""
        self.original.deliverBody(GzipBody(protocol, self._clock))


@implementer(IPushProducer)
class GzipBody(Protocol):
    """Unpacks a body for ``protocol`` and is its transport. What follows the first gzip member is ignored."""

    def __init__(self, protocol: IProtocol, clock: IReactorTime) -> None:
        self._protocol = protocol
        self._clock = clock
        self._unpacker = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._paused = False
        self._waiting = False
        self._ended: Failure | None = None
        self._over = False
        self._turn: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Connect the protocol."""
        self._protocol.makeConnection(self)  # type: ignore[arg-type]  # a producer is all the transport that it needs

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Unpack some of ``data`` now, the rest in later turns."""
        if self._over or self._unpacker.eof:
            return
        self._packed += data
        if self._turn is None and not self._paused:
            self._unpack_piece()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End the body once all of it is unpacked."""
        self._ended = reason
        if self._turn is None and not self._paused:
            self._end(reason)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop unpacking and reading for now."""
        self._paused = True
        self._cancel_turn()
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Unpack what is left, then read on."""
        self._paused, self._waiting = False, True
        if self._turn is None and not self._over:
            self._turn = self._clock.callLater(0, self._next_turn)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Close the connection."""
        self._drop()
        self._producer.stopProducing()

    @property
    def _producer(self) -> Any:  # noqa: ANN401 - Twisted's transport of a body, a push producer
        return self.transport

    def _next_turn(self) -> None:
        """Unpack the next piece; outside of a read Twisted does not close the connection if the protocol raises."""
        self._turn = None
        try:
            self._unpack_piece()
        except Exception:
            self._end(Failure(ConnectionAborted()))
            self._producer.stopProducing()
            raise

    def _unpack_piece(self) -> None:
        """Unpack one piece; while there is more, the connection is paused."""
        try:
            unpacked = self._unpacker.decompress(self._packed, PIECE)
        except zlib.error:
            self._end(Failure())
            self._producer.stopProducing()
            return
        self._packed = self._unpacker.unconsumed_tail
        more = bool(self._packed) or len(unpacked) == PIECE
        if unpacked:
            self._protocol.dataReceived(unpacked)
        if self._over or self._paused:
            return
        if more:
            self._waiting = True
            self._producer.pauseProducing()
            self._turn = self._clock.callLater(0, self._next_turn)
        elif self._ended is not None:
            self._end(self._ended)
        elif self._waiting:
            self._waiting = False
            self._producer.resumeProducing()

    def _end(self, reason: Failure) -> None:
        if not self._over:
            self._drop()
            self._protocol.connectionLost(reason)

    def _drop(self) -> None:
        self._over = True
        self._packed = b""
        self._cancel_turn()

    def _cancel_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
