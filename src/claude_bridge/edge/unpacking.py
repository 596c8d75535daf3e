"""Packed bodies are unpacked in turns, so that no client's gzip keeps the others waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

TURN: Final = 1024 * 1024
"""Bytes unpacked in one turn of the reactor, for all connections together: 3 to 5 ms. An ordinary body of gzip is
below it and is unpacked as it arrives."""


class Packed(Protocol):
    """A body that is being unpacked."""

    @property
    def behind(self) -> bool:
        """Whether there is more to unpack."""

    def unpack(self, most: int) -> int:
        """Unpack up to ``most`` bytes and return how much work that was, in bytes."""


@define(eq=False)
class Unpacking:
    """Shares the turns of the reactor among packed bodies, first come first served, then one after the other."""

    _call_later: Callable[[float, Callable[[], None]], IDelayedCall]
    _waiting: dict[Packed, None] = field(factory=dict, init=False)
    _left: int = field(default=TURN, init=False)
    _turn: IDelayedCall | None = field(default=None, init=False)

    def add(self, body: Packed) -> None:
        """Unpack what has come of a body: now as far as this turn allows, the rest in later ones."""
        self._waiting[body] = None
        self._go_on()

    def _go_on(self) -> None:
        try:
            while self._waiting and self._left > 0:
                body = next(iter(self._waiting))
                del self._waiting[body]
                done = body.unpack(self._left)  # may come back here, with the next request of a connection
                self._left -= done
                if body.behind:
                    self._waiting[body] = None
        finally:
            if self._turn is None:
                self._turn = self._call_later(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn, self._left = None, TURN
        if self._waiting:
            self._go_on()
