"""A limit on how much may be used in a minute, kept for every minute and not only for those of the clock."""

from __future__ import annotations

from collections import deque

from attrs import define, field

SECONDS = 60.0


@define(eq=False)
class SlidingMinute:
    """What was used in the last `SECONDS`.

    :ivar limit: the most that may be.
    :ivar used: what was, up to the last call.
    """

    limit: int
    used: int = field(default=0, init=False)
    _uses: deque[tuple[float, int]] = field(factory=deque, init=False)  # when, and how much

    def add(self, now: float, amount: int) -> None:
        """Note a use."""
        self._forget(now)
        if amount > 0:
            self._uses.append((now, amount))
            self.used += amount

    def ready_in(self, now: float, amount: int) -> float:
        """Return the seconds until there is room for ``amount``; more than the limit has room in an unused minute."""
        self._forget(now)
        excess = self.used + min(amount, self.limit) - self.limit
        if excess <= 0:
            return 0.0
        for when, each in self._uses:
            excess -= each
            if excess <= 0:
                return when + SECONDS - now
        return SECONDS  # only for an amount that is not in `_uses`, so never

    def _forget(self, now: float) -> None:
        """Drop what was used too long ago."""
        uses = self._uses
        while uses and uses[0][0] <= now - SECONDS:
            self.used -= uses.popleft()[1]
