"""Promises of gzip that a backend sends unasked."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from claude_bridge.services.upstream.content_coding import PIECE, GzipBody
from tests.core.strategies import in_steps

TEXT = b"data: {}\n\n" * 40_000
PACKED = gzip.compress(TEXT)


class Reader(Protocol):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.reasons: list[Failure] = []
        self.breaks = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep it, or break."""
        self.pieces.append(data)
        if self.breaks:
            raise ZeroDivisionError

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Keep the reason."""
        self.reasons.append(reason)

    @property
    def producer(self) -> Any:
        """Return the transport."""
        return self.transport


class Way:
    """A body on its way from a transport to a reader."""

    def __init__(self) -> None:
        self.clock, self.transport, self.reader = Clock(), StringTransport(), Reader()
        self.body = GzipBody(self.reader, self.clock)
        self.body.makeConnection(self.transport)

    def bring(self, data: bytes) -> None:
        """Bring bytes if the transport reads; else wait as it does."""
        while self.transport.producerState == "paused":
            self.clock.advance(0)
        self.body.dataReceived(data)

    def end(self, error: Exception | None = None) -> None:
        """End the connection."""
        self.body.connectionLost(Failure(error or ConnectionDone()))

    @property
    def text(self) -> bytes:
        """Return what was read."""
        return b"".join(self.reader.pieces)


class GzipBodyTests:
    """One body."""

    @pytest.mark.parametrize("size", [1, 7, 37, 4096])
    def test_any_cut(self, size: int) -> None:
        """However it arrives, what was packed comes out, in pieces of at most one read, and then the end."""
        way = Way()
        for piece in in_steps(PACKED, size):
            way.bring(piece)
        way.end()
        way.clock.pump([0] * 100)
        assert way.text == TEXT
        assert max(map(len, way.reader.pieces)) <= PIECE
        assert [reason.type for reason in way.reader.reasons] == [ConnectionDone]
        assert not way.clock.getDelayedCalls()

    @given(st.binary(max_size=500), st.integers(1, 50))
    def test_any_bytes(self, data: bytes, size: int) -> None:
        """Whatever is sent, there is one end, and nothing is left to be done."""
        way = Way()
        for piece in in_steps(gzip.compress(b"x") + data if len(data) % 2 else data, size):
            way.bring(piece)
        way.end()
        way.clock.pump([0] * 100)
        assert len(way.reader.reasons) == 1
        assert not way.clock.getDelayedCalls()

    def test_one_piece_a_turn(self) -> None:
        """Others have their turn between two pieces, and no more is read meanwhile."""
        way = Way()
        way.bring(PACKED)
        assert (len(way.reader.pieces), way.transport.producerState) == (1, "paused")
        way.clock.advance(0)
        assert way.transport.producerState == "producing"
        assert way.text == TEXT

    def test_pause(self) -> None:
        """A reader that pauses gets nothing until it resumes, not even the end; then all of it."""
        way = Way()
        way.bring(PACKED)
        way.reader.producer.pauseProducing()
        way.end()
        way.clock.pump([0] * 100)
        assert (len(way.reader.pieces), way.reader.reasons) == (1, [])
        way.reader.producer.resumeProducing()
        way.clock.pump([0] * 100)
        assert way.text == TEXT
        assert len(way.reader.reasons) == 1

    def test_pause_with_nothing_left(self) -> None:
        """A pause between two reads holds the connection, and resuming lets it go on."""
        way = Way()
        way.bring(PACKED[:10])
        way.reader.producer.pauseProducing()
        assert way.transport.producerState == "paused"
        way.reader.producer.resumeProducing()
        way.clock.advance(0)
        assert way.transport.producerState == "producing"

    def test_stop(self) -> None:
        """A reader that has enough hears nothing more, and the connection is closed."""
        way = Way()
        way.bring(PACKED)
        way.reader.producer.stopProducing()
        way.clock.pump([0] * 100)
        way.body.dataReceived(b"more")
        way.end()
        assert (len(way.reader.pieces), way.reader.reasons) == (1, [])
        assert way.transport.producerState == "stopped"
        assert not way.clock.getDelayedCalls()

    def test_cut(self) -> None:
        """A connection that breaks is told as it is, after what came of the body."""
        way = Way()
        way.bring(PACKED[:-20])
        way.end(ConnectionLost())
        way.clock.pump([0] * 100)
        assert TEXT.startswith(way.text)
        assert [reason.type for reason in way.reader.reasons] == [ConnectionLost]

    def test_broken(self) -> None:
        """What is no gzip ends the body and the connection."""
        way = Way()
        way.bring(b"data: plain text\n\n")
        assert [reason.type for reason in way.reader.reasons] == [zlib.error]
        assert way.transport.producerState == "stopped"

    def test_after_the_end(self) -> None:
        """What follows the gzip is not kept."""
        way = Way()
        way.bring(gzip.compress(b"x"))
        for _ in range(100):
            way.bring(b"y" * 1000)
        assert way.text == b"x"
        assert len(way.body._unpacker.unused_data) == 0

    def test_reader_breaks(self) -> None:
        """A reader that raises in a turn of its own ends the connection, as it does within a read."""
        way = Way()
        way.bring(PACKED)
        way.reader.breaks = True
        with pytest.raises(ZeroDivisionError):
            way.clock.advance(0)
        assert len(way.reader.reasons) == 1
        assert way.transport.producerState == "stopped"
        assert not way.clock.getDelayedCalls()
