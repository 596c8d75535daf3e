"""Where each session was answered last: its prefix is in that server's cache, and perhaps in that of one key alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core.bounded import BoundedMap

MAX_SESSIONS: Final = 10_000
"""Conversations that are remembered, those of subagents among them."""

IDLE_SECONDS: Final = 3600.0
"""After this time without a request a session has no place any more; no cache keeps a prefix for longer."""

AWAY_SECONDS: Final = 300.0
"""How long a session stays with a model that is not its first choice: then the first choice is tried again."""


@frozen(cache_hash=True)
class Conversation:
    """One conversation: a session's main one, or that of one of its subagents.

    :ivar owner: the name of the client's key, else its address.
    :ivar agent: the subagent's id; "" for the main conversation.
    :ivar route: the name of the route, as side jobs have the ids of the conversation that they are for; "" for none.
    """

    owner: str
    session: str
    agent: str
    route: str = ""


@define(kw_only=True)
class Place:
    """Where a conversation was answered last.

    :ivar step: the model, as `claude_bridge.services.exchange.plan.Step.name` has it.
    :ivar key: the name of the backend's key.
    :ivar since: when it came there, and when it was there last (seconds, monotonic).
    """

    step: str = ""
    key: str = ""
    is_first_choice: bool = True
    since: float = 0.0
    last: float = 0.0

    def is_at(self, step: str, key: str, is_first_choice: bool) -> bool:
        """Return whether it is the place of such an answer."""
        return self.step == step and self.key == key and self.is_first_choice == is_first_choice


NOWHERE: Final = Place()


@define(eq=False)
class Affinity:
    """The places of all conversations."""

    _seconds: Callable[[], float]
    _places: BoundedMap[Conversation, Place] = field(factory=lambda: BoundedMap(MAX_SESSIONS), init=False)

    def place(self, conversation: Conversation) -> Place:
        """Return where a conversation should be answered, or `NOWHERE` if anywhere is as good."""
        place, now = self._places.get(conversation), self._seconds()
        if place is None or now - place.last > IDLE_SECONDS:
            return NOWHERE
        return NOWHERE if self._is_away_too_long(place) else place

    def answered(self, conversation: Conversation, step: str, key: str, *, is_first_choice: bool) -> None:
        """Note where a conversation was answered."""
        before, now = self._places.get(conversation), self._seconds()
        if before is not None and before.is_at(step, key, is_first_choice) and not self._is_away_too_long(before):
            before.last = now
            return
        place = Place(step=step, key=key, is_first_choice=is_first_choice, since=now, last=now)
        self._places.put(conversation, place)

    def _is_away_too_long(self, place: Place) -> bool:
        return not place.is_first_choice and self._seconds() - place.since > AWAY_SECONDS
