"""Tests for `claude_bridge.services.search.answer_body`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from claude_bridge.services.search.answer_body import TooLarge, collected, dropped


@define(eq=False)
class FakeResponse:
    """A response whose body the test delivers."""

    body: Any = None
    transport: Any = None

    def deliverBody(self, protocol: Protocol) -> None:  # noqa: N802 - Twisted's name
        """Connect the body."""
        self.body, self.transport = protocol, StringTransport()
        protocol.makeConnection(self.transport)

    def end(self, reason: Exception) -> None:
        """End the body."""
        self.body.connectionLost(Failure(reason))


def collecting(most: int = 10) -> tuple[FakeResponse, Any, list[Any]]:
    """Collect a body; return what becomes of it."""
    response: Any = FakeResponse()
    results: list[Any] = []
    done = collected(response, most)
    done.addBoth(results.append)
    return response, done, results


class CollectedTests:
    """A body in one piece."""

    @pytest.mark.parametrize("reason", [ResponseDone(), PotentialDataLoss()])
    def test_whole(self, reason: Exception) -> None:
        """All that came, whether the server said how much or not."""
        response, _, results = collecting()
        response.body.dataReceived(b"01234")
        response.body.dataReceived(b"56789")
        response.end(reason)
        assert results == [b"0123456789"]

    def test_too_large(self) -> None:
        """More than the bound is not held: the connection is closed."""
        response, _, results = collecting()
        response.body.dataReceived(b"01234567890")
        assert results[0].check(TooLarge)
        assert response.transport.producerState == "stopped"
        response.body.dataReceived(b"more")
        response.end(ConnectionLost())
        assert len(results) == 1

    def test_broken(self) -> None:
        """A body that breaks off says so."""
        response, _, results = collecting()
        response.end(ResponseFailed([]))
        assert results[0].check(ResponseFailed)

    def test_cancelled(self) -> None:
        """Cancelling closes the connection."""
        response, done, results = collecting()
        done.cancel()
        assert response.transport.producerState == "stopped"
        assert len(results) == 1

    def test_dropped(self) -> None:
        """A body that nobody wants is not read."""
        response: Any = FakeResponse()
        dropped(response)
        assert response.transport.producerState == "stopped"
        response.end(ConnectionLost())
