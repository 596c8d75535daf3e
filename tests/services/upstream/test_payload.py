"""Promises of a request body that is already there."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.web.iweb import IBodyProducer

from claude_bridge.services.upstream.payload import BytesBody


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
