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


@frozen
class Conversation:
    """One conversation: a session's main one, or that of one of its subagents.

    :ivar owner: the name of the client's key, else its address.
    :ivar agent: the subagent's id; "" for the main conversation.
    """

    owner: str
    session: str
    agent: str


@frozen(kw_only=True)
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
        before, now = self._places.peek(conversation), self._seconds()
        stays = before is not None and (before.step, before.key) == (step, key) and not self._is_away_too_long(before)
        since = before.since if before is not None and stays else now
        place = Place(step=step, key=key, is_first_choice=is_first_choice, since=since, last=now)
        self._places.put(conversation, place)

    def _is_away_too_long(self, place: Place) -> bool:
        return not place.is_first_choice and self._seconds() - place.since > AWAY_SECONDS
