"""Promises of a request body that is already there."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.iweb import IBodyProducer

from claude_bridge.services.upstream.payload import BytesBody, forget_unsent


class BytesBodyTests:
    """All bytes at once, as often as asked."""

    def test_writes_all_synchronously_and_again(self) -> None:
        """The body needs no reactor turn, and can be sent a second time on another connection."""
        body = BytesBody(b"abc")
        assert IBodyProducer.providedBy(body)
        assert body.length == 3
        for _ in range(2):
            consumer = StringTransport()
            assert body.startProducing(consumer).called
            assert consumer.value() == b"abc"

    def test_flow_control_is_harmless(self) -> None:
        """Whatever the transport asks for, the bytes are already written."""
        body = BytesBody(b"abc")
        consumer = StringTransport()
        body.startProducing(consumer)
        body.pauseProducing()
        body.resumeProducing()
        body.stopProducing()
        assert consumer.value() == b"abc"

    def test_released_bytes_are_gone(self) -> None:
        """A conversation's bytes need not wait for the garbage collector once an answer has begun."""
        body = BytesBody(b"abc")
        body.release()
        consumer = StringTransport()
        body.startProducing(consumer)
        assert consumer.value() == b""


class ForgetUnsentTests:
    """What a lost connection had still to send."""

    def transport(self) -> Any:
        """Make a transport that could not send all of what it was told to."""

        class Deaf(FileDescriptor):
            connected = 1

            def writeSomeData(self, data: bytes) -> int:  # noqa: ARG002, N802 - Twisted's name
                return 1

        transport: Any = Deaf(MemoryReactorClock())
        transport.startWriting = transport.stopWriting = lambda: None
        transport.write(b"x" * 1000)
        transport.doWrite()
        transport.write(b"y" * 1000)
        return transport

    def test_dropped(self) -> None:
        """Nothing of it waits for the garbage collector, under Twisted's names for it."""
        transport = self.transport()
        assert (len(transport.dataBuffer), transport._tempDataBuffer) == (1000, [b"y" * 1000])
        forget_unsent(transport)
        assert (transport.dataBuffer, transport.offset) == (b"", 0)
        assert (transport._tempDataBuffer, transport._tempDataLen) == ([], 0)

    def test_below_tls(self) -> None:
        """The same below a protocol that wraps the connection, as TLS does."""
        transport = self.transport()
        wrapper: Any = ProtocolWrapper(WrappingFactory(None), Protocol())
        wrapper.makeConnection(transport)
        forget_unsent(wrapper)
        assert (transport.dataBuffer, transport._tempDataBuffer) == (b"", [])

    def test_anything_else(self) -> None:
        """Another transport, or none, is left alone."""
        forget_unsent(StringTransport())
        forget_unsent(None)
