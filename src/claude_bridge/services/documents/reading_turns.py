"""Decides whose document is read next: clients take turns, however many documents one of them has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.services.interfaces import TurnOwner

MAX_OF_ONE: Final = 2
"""Documents of one client that are read at the same time: fewer than of all clients, so that a document of another
client need not wait until a slow one is finished."""

MAX_REMEMBERED: Final = 256
"""Clients whose last turn is remembered: more than can wait at the same time."""


class Waiting(Protocol):
    """A document that waits for its turn."""

    @property
    def clients(self) -> Iterable[TurnOwner]:
        """The clients that wait for it."""


Document = TypeVar("Document", bound=Waiting)


@define
class LastTurns:
    """The last turns of clients, as increasing numbers; 0 for a client without one, or none for long."""

    _turns: BoundedMap[Hashable, int] = field(factory=lambda: BoundedMap(MAX_REMEMBERED))
    _now: int = 0

    def of(self, client: Hashable) -> int:
        """Return a client's last turn."""
        return self._turns.peek(client) or 0

    def take(self, client: Hashable) -> None:
        """Record that it is a client's turn now."""
        self._now += 1
        self._turns.put(client, self._now)


@define
class Turns:
    """Takes each owner in turn, then each of an owner's sessions, then what came first.

    Clients name their sessions themselves: having more of them does not give an owner more turns.
    """

    _max_of_one: int = MAX_OF_ONE
    _owners: LastTurns = field(factory=LastTurns)
    _sessions: LastTurns = field(factory=LastTurns)

    def may_read(self, client: TurnOwner, reading: Mapping[TurnOwner, int]) -> bool:
        """Return whether one more document of a client may be read; ``reading`` is the number for each client."""
        return reading.get(client, 0) < self._max_of_one

    def next(self, queue: Sequence[Document], reading: Mapping[TurnOwner, int]) -> tuple[Document, TurnOwner] | None:
        """Return the next document and the client whose turn it takes; None if no client may have one more now."""
        free = [(one, client) for one in queue for client in one.clients if self.may_read(client, reading)]
        if not free:
            return None
        document, client = min(free, key=lambda one: (self._owners.of(one[1].owner), self._sessions.of(one[1])))
        self._owners.take(client.owner)
        self._sessions.take(client)
        return document, client


def to_displace(queue: Sequence[Document], newcomer: TurnOwner) -> Document | None:
    """Return the document that is dropped from a full queue for a newcomer: the last one of the owner with most.

    None if no owner has more than the newcomer would have then. Documents that several owners wait for are kept.
    """
    owned = [(owners.pop(), one) for one in queue if len(owners := {client.owner for client in one.clients}) == 1]
    counts = Counter(owner for owner, _ in owned)
    owner, most = max(counts.items(), key=lambda one: one[1], default=("", 0))
    if owner == newcomer.owner or most <= counts[newcomer.owner] + 1:
        return None
    return next(one for each, one in reversed(owned) if each == owner)
