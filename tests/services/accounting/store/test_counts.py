"""Sums over requests."""

from __future__ import annotations

from attrs import astuple, evolve, fields

from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.sql import SUMS

SOME = Counts(*range(1, len(SUMS) + 1))


class CountsTests:
    """Adding up."""

    def test_named_as_in_the_ledger(self) -> None:
        """The sums are the ledger's columns, in their order: values of one can be given to the other."""
        assert tuple(each.name for each in fields(Counts)) == SUMS

    def test_total(self) -> None:
        """Each sum is added to its like, and what was added up stays as it is."""
        parts = [evolve(SOME), evolve(SOME)]
        assert astuple(total(parts)) == tuple(2 * each for each in astuple(SOME))
        assert parts == [SOME, SOME]
        assert total([]) == Counts()

    def test_cost(self) -> None:
        """A cost is known as far as some price is; a price of nothing is a price."""
        assert Counts(cost=0, priced=0, unpriced=2).known_cost is None
        assert Counts(cost=0, priced=1).known_cost == 0
