"""A limit on how much may be used in a minute, kept for every minute and not only for those of the clock."""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

SECONDS = 60.0

UNDER_WAY_SECONDS: Final = 1.0
"""When to look again where only requests under way fill a minute: nobody knows when they end."""


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


@define(eq=False)
class MinuteLimits:
    """Limits on the requests of a minute and on their tokens, of which those of requests under way are estimated.

    :ivar requests: None for no limit.
    :ivar tokens: those of requests that have ended; None for no limit.
    """

    requests: SlidingMinute | None = None
    tokens: SlidingMinute | None = None
    _under_way: int = field(default=0, init=False)

    def requests_ready_in(self, now: float) -> float:
        """Return the seconds until another request may begin, by their number."""
        return 0.0 if self.requests is None else self.requests.ready_in(now, 1)

    def tokens_ready_in(self, now: float, tokens: int) -> float:
        """Return the seconds until a request of so many tokens may begin, by the number of tokens."""
        if self.tokens is None:
            return 0.0
        wanted = self._under_way + tokens
        wait = self.tokens.ready_in(now, wanted)
        return max(wait, UNDER_WAY_SECONDS) if self._under_way and wanted > self.tokens.limit else wait

    def begun(self, now: float, tokens: int) -> None:
        """Note that a request of so many tokens, as far as is known, begins."""
        self._under_way += tokens
        if self.requests is not None:
            self.requests.add(now, 1)

    def ended(self, now: float, estimated: int, tokens: int) -> None:
        """Note that a request has ended, which began as one of ``estimated`` tokens."""
        self._under_way -= estimated
        if self.tokens is not None:
            self.tokens.add(now, tokens)
