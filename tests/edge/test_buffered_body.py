"""Promises of long bodies on their way."""

from __future__ import annotations

from claude_bridge.edge.buffered_body import PIECE_BYTES, BufferedBodyProducer
from claude_bridge.edge.request import BridgeRequest
from tests.edge.stage import Edge, Line

LONG = b"\xff" * (3 * PIECE_BYTES + 7)


class Pouring(BridgeRequest):
    """A request that is answered with a long body.

    :ivar ends: an entry when all is written.
    """

    pour: BufferedBodyProducer
    ends: list[str]

    def process(self) -> None:
        """Answer."""
        self.ends = []
        self.pour = BufferedBodyProducer(self, LONG, lambda: self.ends.append("poured"))
        self.pour.start()


def pouring(*, slow: bool) -> tuple[Line, Pouring]:
    """Begin such an answer; on a slow line it is paused after each write."""
    line = Edge().line()
    line.make_requests(Pouring)
    if slow:
        original = line.writeSequence
        line.writeSequence = lambda data: (original(data), line.paced_producer.pauseProducing())  # type: ignore[method-assign]
    line.say(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return line, line.channel.requests[0] if slow else line.channel


class PourTests:
    """A body is written as it is taken."""

    def test_at_once(self) -> None:
        """Where nothing holds it back all of it goes out, and the request ends."""
        line, _ = pouring(slow=False)
        assert (line.answer().body, line.channel.requests) == (LONG, [])

    def test_piece_by_piece(self) -> None:
        """A slow client gets a piece each time it has taken the one before, and the request ends with the last."""
        line, request = pouring(slow=True)
        sizes = []
        while not request.ends:
            sizes.append(line.value().count(b"\xff"))
            line.paced_producer.resumeProducing()
        assert sizes == [PIECE_BYTES, 2 * PIECE_BYTES, 3 * PIECE_BYTES]
        assert (line.answer().body, request.ends, line.channel.requests) == (LONG, ["poured"], [])

    def test_stopped(self) -> None:
        """Once nobody wants it, nothing more is written and nobody is told of an end."""
        line, request = pouring(slow=True)
        request.pour.stopProducing()
        size = len(line.value())
        line.paced_producer.resumeProducing()
        assert (len(line.value()), request.ends) == (size, [])
