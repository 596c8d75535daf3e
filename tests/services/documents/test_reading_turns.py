"""Whose document is next."""

from __future__ import annotations

from attrs import frozen

from claude_bridge.services.documents.reading_turns import MAX_OF_ONE, MAX_REMEMBERED, LastTurns, Turns, to_displace
from claude_bridge.services.interfaces import TurnOwner

ANNA, BEN, CARL = (TurnOwner(name, "1") for name in ("anna", "ben", "carl"))


@frozen
class Paper:
    """A document that some want."""

    name: str
    clients: tuple[TurnOwner, ...]


def papers(*owned: tuple[str, TurnOwner]) -> list[Paper]:
    """Make documents with one client each."""
    return [Paper(name, (client,)) for name, client in owned]


def order(turns: Turns, queue: list[Paper]) -> str:
    """Return the names in the order in which documents are read one by one."""
    told = ""
    while (chosen := turns.next(queue, {})) is not None:
        queue.remove(chosen[0])
        told += chosen[0].name
    return told


class TurnsTests:
    """The next one."""

    def test_alone(self) -> None:
        """Of one client, documents are read in the order in which they came."""
        assert order(Turns(), papers(("a", ANNA), ("b", ANNA), ("c", ANNA))) == "abc"

    def test_sessions(self) -> None:
        """The sessions of one client take turns among themselves."""
        other = TurnOwner("anna", "2")
        assert order(Turns(), papers(("a", ANNA), ("b", ANNA), ("x", other), ("y", BEN))) == "ayxb"

    def test_who_comes_back(self) -> None:
        """Who asks for one document after the other gets no turn before who waits."""
        turns = Turns()
        assert order(turns, papers(("a", ANNA), ("x", BEN))) == "ax"
        assert order(turns, papers(("y", BEN), ("b", ANNA))) == "by"

    def test_limit(self) -> None:
        """Who has as many read as one may have waits, others do not."""
        turns = Turns()
        queue = papers(("a", ANNA), ("x", BEN))
        full = {ANNA: MAX_OF_ONE}
        assert not turns.may_read(ANNA, full)
        assert turns.next(queue, full) == (queue[1], BEN)
        assert turns.next(queue[:1], full) is None
        shared = [Paper("s", (ANNA, BEN))]
        assert turns.next(shared, full) == (shared[0], BEN)

    def test_nobody(self) -> None:
        """Where nobody waits it is nobody's turn."""
        assert Turns().next([], {}) is None

    def test_memory(self) -> None:
        """However many clients come, few are remembered, those that came last."""
        turns = LastTurns()
        for number in range(MAX_REMEMBERED + 1):
            turns.take(number)
        assert turns.of(0) == 0
        assert [turns.of(1), turns.of(MAX_REMEMBERED)] == [2, MAX_REMEMBERED + 1]


class DisplaceTests:
    """A full queue."""

    def test_who_has_most(self) -> None:
        """The last document of who has most gives way."""
        queue = papers(("a", ANNA), ("x", BEN), ("b", ANNA), ("c", ANNA), ("y", BEN))
        found = to_displace(queue, CARL)
        assert found is not None
        assert found.name == "c"

    def test_fair_already(self) -> None:
        """Where the newcomer would have as many as anybody, or has most, nobody gives way."""
        queue = papers(("a", ANNA), ("b", ANNA), ("x", BEN))
        assert to_displace(queue, BEN) is None
        assert to_displace(queue, ANNA) is None
        assert to_displace(papers(("a", ANNA)), BEN) is None

    def test_shared(self) -> None:
        """What somebody else wants too stays."""
        queue = [Paper("a", (ANNA,)), Paper("b", (ANNA,)), Paper("c", (ANNA, BEN))]
        found = to_displace(queue, CARL)
        assert found is not None
        assert found.name == "b"
        assert to_displace([], CARL) is None
