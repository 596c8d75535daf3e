"""A request body that is already there, and what becomes of the part of it that a backend did not take."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer


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
