"""Unpacks gzip bodies in turns of the reactor, so that no gzip of one client keeps the others waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

TURN_BYTES: Final = 1024 * 1024
"""Bytes unpacked in one turn of the reactor, for all connections together: 3 to 5 ms. An ordinary gzip body is smaller
and is unpacked as it arrives."""


class PackedBody(Protocol):
    """A body that is being unpacked."""

    @property
    def has_packed_bytes(self) -> bool:
        """Whether there is more to unpack."""

    def unpack(self, max_bytes: int) -> int:
        """Unpack up to ``max_bytes`` bytes and return how much work that was, in bytes."""


@define(eq=False)
class Unpacking:
    """Shares the turns of the reactor among packed bodies: first come first served, then round robin."""

    _call_later: Callable[[float, Callable[[], None]], IDelayedCall]
    _waiting: dict[PackedBody, None] = field(factory=dict, init=False)
    _left_in_turn: int = field(default=TURN_BYTES, init=False)
    _turn: IDelayedCall | None = field(default=None, init=False)

    def add(self, body: PackedBody) -> None:
        """Unpack what has arrived of a body: as much as this turn allows now, the rest in later turns."""
        self._waiting[body] = None
        self._unpack_some()

    def _unpack_some(self) -> None:
        try:
            while self._waiting and self._left_in_turn > 0:
                body = next(iter(self._waiting))
                del self._waiting[body]
                # this may call `add` again, with the next request of the same connection
                done = body.unpack(self._left_in_turn)
                self._left_in_turn -= done
                if body.has_packed_bytes:
                    self._waiting[body] = None
        finally:
            if self._turn is None:
                self._turn = self._call_later(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn, self._left_in_turn = None, TURN_BYTES
        if self._waiting:
            self._unpack_some()
