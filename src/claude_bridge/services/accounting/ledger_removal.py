"""Removes from the ledger what is old: soon after the start, then every hour, in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from claude_bridge.services.accounting.ledger_database import Writer
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable

FIRST_SECONDS: Final = 600.0
"""From the start to the first removal: by then a clock that was wrong at the start of the machine is right."""

SECONDS: Final = 3_600.0
"""From one removal to the next."""


@define(eq=False)
class LedgerRemoval:
    """Knows when it is time to remove something."""

    _seconds: Callable[[], float]
    _due: float = field(init=False)

    @_due.default
    def _first(self) -> float:
        return self._seconds() + FIRST_SECONDS

    async def go_on(self, writer: Writer, now: float, keep: float) -> None:
        """Remove a piece of what is older than ``keep`` seconds at ``now``, if it is time to.

        The database's own errors are left to the next write, which says what is wrong; the next removal is in an hour.
        """
        moment = self._seconds()
        if moment < self._due:
            return
        self._due = moment + SECONDS
        try:
            removed = await writer.remove_old(now, keep)
        except (Broken, Unavailable, NewerVersion):
            return
        if removed:  # there may be more
            self._due = moment
