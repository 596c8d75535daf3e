"""Sums over requests, and breakdowns that stay small."""

from __future__ import annotations

from attrs import asdict, astuple, evolve

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.counts import Breakdown, of_attempt
from claude_bridge.services.accounting.ledger_entries import entry_of
from claude_bridge.services.accounting.store.batch import add_attempt
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.sql import SUMS
from claude_bridge.services.interfaces import AttemptRecord
from tests.services.accounting.test_request_log import ATTEMPT, RECORD


def of(*names: str, max_entries: int = 2) -> Breakdown[str, Counts]:
    """Return a breakdown in which each name was counted once, in this order."""
    made: Breakdown[str, Counts] = Breakdown(max_entries, Counts, Counts.add)
    for each in names:
        made.of(each).requests += 1
    return made


def counted(*records: AttemptRecord) -> Counts:
    """Return the sums of some attempts."""
    return total(of_attempt(each) for each in records)


class CountsTests:
    """Adding up."""

    def test_attempt(self) -> None:
        """An attempt counts with its tokens; a price that is unknown is counted apart and costs nothing."""
        counts = counted(
            evolve(ATTEMPT, usage=Usage(12, 7, 3, 2, thinking_tokens=4), cost=50),
            evolve(ATTEMPT, usage=Usage(1, 1, 1, 1)),
            evolve(ATTEMPT, usage=None),
        )
        assert counts == Counts(
            attempts=3,
            input=13,
            cache_read=4,
            cache_write=3,
            output=8,
            thinking=4,
            cost=50,
            priced=1,
            unpriced=1,
        )
        assert counts.prompt == 20

    def test_cost_that_is_not_known(self) -> None:
        """Where no price is known the cost is None, and not nothing; a price of nothing is a price."""
        assert counted(ATTEMPT).known_cost is None
        assert counted(ATTEMPT, evolve(ATTEMPT, cost=0)).known_cost == 0

    def test_absurd_numbers(self) -> None:
        """Of numbers that no backend can mean no more is counted than the ledger keeps of them."""
        record = evolve(ATTEMPT, usage=Usage(2**53, 5, thinking_tokens=2**70), cost=2**70)
        kept = entry_of(evolve(RECORD, attempts=(record,))).attempts[0]
        sums = [0] * len(SUMS)
        add_attempt(sums, kept)
        assert astuple(of_attempt(record)) == tuple(sums)

    def test_total(self) -> None:
        """The total has each sum of each part."""
        one, two = Counts(*range(11)), Counts(*range(100, 111))
        assert asdict(total([one, two])) == {name: 100 + 2 * place for place, name in enumerate(SUMS)}
        assert total([]) == Counts()


class BreakdownTests:
    """Figures by name."""

    def test_last_used_first(self) -> None:
        """Names come in the order of their use."""
        assert [name for name, _ in of("a", "b", "a").named()] == ["a", "b"]

    def test_more_names_than_fit(self) -> None:
        """A name too many takes the place of the one that was used least recently, whose figures join the others'."""
        found = of("a", "b", "a", "c", "d")
        assert [(name, counts.requests) for name, counts in found.named()] == [("d", 1), ("c", 1)]
        assert found.other == Counts(requests=3)
        assert len(found) == 2

    def test_nothing_is_lost(self) -> None:
        """The parts are the whole, however many names there were."""
        found = of(*"abcdefabc")
        assert total(found.parts()).requests == 9

    def test_name_that_comes_back(self) -> None:
        """It begins anew; what it had stays with the others."""
        found = of("a", "b", "c", "a")
        back = found.find("a")
        assert back is not None
        assert (back.requests, total(found.parts()).requests) == (1, 4)

    def test_find(self) -> None:
        """Looking for a name neither makes figures nor uses them."""
        found = of("a", "b")
        assert (found.find("z"), found.find("a")) == (None, Counts(requests=1))
        found.of("c")
        assert found.find("a") is None
