"""What runs showed, and how many times as much as the relay the gateway took in the same rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import define, field, frozen

from benchmarks.scenarios import LARGEST, Figure


@define
class Measured:
    """What runs of a scenario showed.

    :ivar runs: the figures of each run.
    :ivar wrong: how often an answer was wrong, by what was wrong; missing ones too.
    """

    runs: list[dict[Figure, float]] = field(factory=list)
    right: int = 0
    wrong: Counter[str] = field(factory=Counter)

    def add(self, other: Measured) -> None:
        """Take in other runs."""
        self.runs += other.runs
        self.right += other.right
        self.wrong += other.wrong

    def spread(self, figure: Figure) -> Spread | None:
        """Return a figure over all runs; None if no run has it."""
        values = [run[figure] for run in self.runs if figure in run]
        return Spread.of(max(values) if figure in LARGEST else min(values), values) if values else None


@frozen
class Spread:
    """A value over all runs: the one that counts, and the least and the most that a run showed."""

    counts: float
    least: float
    most: float

    @classmethod
    def of(cls, counts: float, values: Sequence[float]) -> Spread:
        """Return the spread of these values."""
        return cls(counts, min(values), max(values))


@define
class Comparison:
    """A scenario's results, and the relay's in the same rounds: each of its runs comes just before the gateway's."""

    gateway: Measured = field(factory=Measured)
    relay: Measured = field(factory=Measured)

    def multiple(self, figure: Figure) -> Spread | None:
        """Return a figure as a multiple of the relay's, the smallest over the smallest; None if it cannot be told."""
        rounds = zip(self.gateway.runs, self.relay.runs, strict=False)
        pairs = [(ours[figure], its[figure]) for ours, its in rounds if figure in ours and its.get(figure)]
        if not pairs:
            return None
        counts = min(ours for ours, _ in pairs) / min(its for _, its in pairs)
        return Spread.of(counts, [ours / its for ours, its in pairs])
