"""How long things take, counted in fixed buckets, and how many come in a second."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from attrs import define, field

from claude_bridge.services.accounting.store.entries import LATENCY_BOUNDS

FIRST_WORD_BOUNDS: Final = LATENCY_BOUNDS
"""Seconds to the first word, the same buckets as in the ledger."""

ANSWER_BOUNDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds to the end of an answer: the upper bounds of the buckets; the last bucket has no bound."""

RATE_SECONDS: Final = 60
"""Seconds over which a rate is averaged."""


@define(eq=False)
class Histogram:
    """Counts durations in buckets.

    :ivar bounds: the upper bounds of the buckets in seconds, each within its bucket; one more bucket has no bound.
    :ivar buckets: how many were in each.
    :ivar seconds: the sum of all.
    """

    bounds: tuple[float, ...]
    buckets: list[int] = field(init=False)
    seconds: float = field(default=0.0, init=False)

    @buckets.default
    def _make_buckets(self) -> list[int]:
        return [0] * (len(self.bounds) + 1)

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self.buckets)

    def count_one(self, seconds: float) -> None:
        """Count a duration."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    def add(self, more: Histogram) -> None:
        """Add the counts of another histogram with the same bounds."""
        self.buckets = [one + other for one, other in zip(self.buckets, more.buckets, strict=True)]
        self.seconds += more.seconds


@define(eq=False)
class Rate:
    """How many of something there were per second in the last `RATE_SECONDS`; times are seconds, monotonic."""

    _slots: list[int] = field(factory=lambda: [0] * RATE_SECONDS, init=False)
    _second: int = field(default=0, init=False)

    def count(self, number: int, now: float) -> None:
        """Count what came now."""
        second = int(now)
        if second != self._second:
            self._move_to(second)
        self._slots[second % RATE_SECONDS] += number

    def per_second(self, now: float) -> float:
        """Return the average."""
        self._move_to(int(now))
        return sum(self._slots) / RATE_SECONDS

    def _move_to(self, second: int) -> None:
        """Empty the slots of the seconds in which nothing came."""
        passed = second - self._second
        for each in range(max(0, second - min(passed, RATE_SECONDS) + 1), second + 1):
            self._slots[each % RATE_SECONDS] = 0
        self._second = max(self._second, second)
