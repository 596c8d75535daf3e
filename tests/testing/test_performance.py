"""Tests for `claude_bridge.testing.performance` in simulated time; real sockets are in ``test_backend``."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from claude_bridge.testing import performance
from claude_bridge.testing.answers import Answer, Pause, Send, Stall
from claude_bridge.testing.performance import Performance
from claude_bridge.testing.received import Received


class NoDelayTransport(StringTransport):
    """A transport that remembers what it was asked."""

    nodelay = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Remember it."""
        self.nodelay = enabled


def performing(*steps: Any) -> tuple[Clock, NoDelayTransport, Received, Performance]:
    """Begin an answer of ``steps`` on a transport that keeps what is written."""
    clock = Clock()
    transport = NoDelayTransport()
    channel = HTTPChannel()
    channel.makeConnection(transport)
    request = Request(channel, parsePOSTFormSubmission=False)
    request.gotLength(0)
    channel.requests.append(request)
    request.clientproto = b"HTTP/1.1"
    received = Received(method="POST", path="/", headers={}, body=b"", json=None, arrived=0.0)
    answer = Answer(200, (("content-length", "2"),), steps)
    performance = Performance(clock, clock.seconds, request, received, answer.performed())
    performance.begin(answer)
    return clock, transport, received, performance


class PerformanceTests:
    """When each step is taken."""

    def test_pauses_are_exact(self) -> None:
        """Nothing comes before a pause has ended."""
        clock, transport, received, _ = performing(Send(b"a"), Pause(600.0), Send(b"b"))
        clock.pump([0, 0, 599.9])
        assert transport.value().endswith(b"\r\n\r\na")
        clock.pump([0.2, 0, 0])
        assert transport.value().endswith(b"ab")
        assert received.ended is not None

    def test_packets_are_not_gathered(self) -> None:
        """The socket is told to send each step at once."""
        _, transport, _, _ = performing(Stall())
        assert transport.nodelay

    def test_full_socket(self) -> None:
        """No step is taken while the socket is full, not even when a pause ends; then they go on in order."""
        clock, transport, received, performance = performing(Send(b"a"), Pause(1.0), Send(b"b"))
        clock.pump([0, 0])
        performance.pauseProducing()
        clock.advance(5)
        assert not transport.value().endswith(b"b")
        performance.resumeProducing()
        clock.pump([0, 0])
        assert transport.value().endswith(b"ab")
        assert received.ended == 5.0

    def test_resume_does_not_shorten_a_pause(self) -> None:
        """A socket that has room again does not make a pause of the script shorter."""
        clock, transport, _, performance = performing(Send(b"a"), Pause(1.0), Send(b"b"))
        clock.pump([0, 0])
        performance.pauseProducing()
        performance.resumeProducing()
        clock.advance(0.9)
        assert not transport.value().endswith(b"b")

    def test_a_stall_stays(self) -> None:
        """A stalled answer stays stalled when the socket has room again."""
        clock, _, received, performance = performing(Send(b"a"), Stall())
        clock.pump([0, 0])
        performance.pauseProducing()
        performance.resumeProducing()
        clock.advance(1000)
        assert received.ended is None

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert performance.__all__ == ["Performance"]
