"""Tests for `claude_bridge.testing.received`."""

from __future__ import annotations

from claude_bridge.testing import received as module
from claude_bridge.testing.received import Received


def received() -> Received:
    """Make a record."""
    return Received(method="POST", path="/", headers={}, body=b"secret body", json=None, arrived=1.0)


class ReceivedTests:
    """What became of an answer."""

    def test_over_once(self) -> None:
        """The first end counts: an answer that has ended is not gone afterwards."""
        one = received()
        one.over(ended=2.0)
        one.over(gone=3.0)
        assert (one.ended, one.gone) == (2.0, None)

    def test_when_over(self) -> None:
        """Everybody who waits is told once, also who asks late."""
        one = received()
        told: list[str] = []
        one.when_over().addCallback(lambda _: told.append("early"))
        assert told == []
        one.over(gone=2.0)
        one.when_over().addCallback(lambda _: told.append("late"))
        assert told == ["early", "late"]

    def test_short_repr(self) -> None:
        """A failing test is not flooded by request bodies."""
        assert "secret body" not in repr(received())

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert module.__all__ == ["Received", "received_from"]
