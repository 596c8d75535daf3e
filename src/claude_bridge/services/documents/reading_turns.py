"""Whose document is read next: everybody's in turn, however many somebody else has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.services.interfaces import TurnOwner

MAX_OF_ONE: Final = 2
"""Documents of one client that are read at the same time: fewer than of all, so that a document of somebody else need
not wait for the end of one that takes long."""

MAX_REMEMBERED: Final = 256
"""Clients whose last turn is remembered: more than can wait at a time."""


class Waiting(Protocol):
    """A document that waits for its turn."""

    @property
    def clients(self) -> Iterable[TurnOwner]:
        """Whoever wants it."""


Document = TypeVar("Document", bound=Waiting)


@define
class LastTurns:
    """When somebody's turn was, as a number that grows; 0 for who had none, or none for long."""

    _turns: BoundedMap[Hashable, int] = field(factory=lambda: BoundedMap(MAX_REMEMBERED))
    _now: int = 0

    def of(self, who: Hashable) -> int:
        """Return it."""
        return self._turns.peek(who) or 0

    def take(self, who: Hashable) -> None:
        """Note that it is somebody's turn now."""
        self._now += 1
        self._turns.put(who, self._now)


@define
class Turns:
    """First each owner in turn, then each of an owner's sessions, then what came first.

    A session is what a client says it is: so more sessions get nobody more turns than others have.
    """

    _max_of_one: int = MAX_OF_ONE
    _owners: LastTurns = field(factory=LastTurns)
    _sessions: LastTurns = field(factory=LastTurns)

    def may_read(self, client: TurnOwner, reading: Mapping[TurnOwner, int]) -> bool:
        """Return whether one more document of a client's may be read; ``reading``: how many each client has."""
        return reading.get(client, 0) < self._max_of_one

    def next(self, queue: Sequence[Document], reading: Mapping[TurnOwner, int]) -> tuple[Document, TurnOwner] | None:
        """Choose a document and the client whose turn is used up by it; None if nobody may have one more now."""
        free = [(one, client) for one in queue for client in one.clients if self.may_read(client, reading)]
        if not free:
            return None
        document, client = min(free, key=lambda one: (self._owners.of(one[1].owner), self._sessions.of(one[1])))
        self._owners.take(client.owner)
        self._sessions.take(client)
        return document, client


def to_displace(queue: Sequence[Document], newcomer: TurnOwner) -> Document | None:
    """Choose the document that gives way to a newcomer's in a full queue: the last one of who has most there.

    None where nobody has more than the newcomer would have then. What several owners want is nobody's to give.
    """
    owned = [(owners.pop(), one) for one in queue if len(owners := {client.owner for client in one.clients}) == 1]
    counts = Counter(owner for owner, _ in owned)
    owner, most = max(counts.items(), key=lambda one: one[1], default=("", 0))
    if owner == newcomer.owner or most <= counts[newcomer.owner] + 1:
        return None
    return next(one for each, one in reversed(owned) if each == owner)
