"""The sums of one transaction."""

from __future__ import annotations

from claude_bridge.services.accounting.store.batch import DAY, HOUR, Batch, add_attempt, by_period
from claude_bridge.services.accounting.store.entries import SEVERAL_OWNERS, Entry
from claude_bridge.services.accounting.store.sql import SUMS
from tests.services.accounting.store.books import NOON, attempt, entry

NONE = dict.fromkeys(SUMS, 0)


def batch_of(*entries: Entry) -> Batch:
    """Return a batch of requests whose models are called what they are."""
    batch = Batch()
    for each in entries:
        batch.add(each, [one.model for one in each.attempts])
    return batch


def named(sums: list[int]) -> dict[str, int]:
    """Return the sums that are not 0, by name."""
    return {name: number for name, number in zip(SUMS, sums, strict=True) if number}


class BatchTests:
    """What is added up."""

    def test_hours_of_attempts(self) -> None:
        """An attempt counts in its own hour, the request in the hour in which it began, at the model asked last."""
        early = attempt(model="glm", started=NOON, outcome="overloaded", input=None, cost=None)
        late = attempt(model="qwen", started=NOON + HOUR, input=5, cost=7)
        batch = batch_of(entry(started=NOON, attempts=(early, late)))
        hours = by_period(batch.agents(), HOUR)
        found = {(hour - NOON // HOUR, model): named(sums) for (hour, _, model, _), sums in hours.items()}
        assert found[0, "glm"] == {"attempts": 1}
        assert found[0, "qwen"] == {"requests": 1}
        assert found[1, "qwen"]["attempts"] == 1
        assert found[1, "qwen"]["cost"] == 7

    def test_days_are_their_hours(self) -> None:
        """The sums of a day are those of its hours."""
        batch = batch_of(entry(started=NOON), entry(started=NOON + HOUR), entry(started=NOON + DAY))
        assert [sums[0] for sums in by_period(batch.agents(), DAY).values()] == [2, 1]

    def test_session_is_its_agents(self) -> None:
        """A session has the sums and the times of all its agents."""
        batch = batch_of(entry(started=NOON + 50), entry(agent="a-1", started=NOON), entry(session="s-2"))
        session = batch.sessions["alice", "s-1"]
        assert session.total()[:3] == [2, 0, 2]
        assert session.first == NOON
        assert session.last == max(each.last for each in session.agents.values()) > NOON + 50

    def test_several_owners(self) -> None:
        """A session that two have used is nobody's, whether it was the same agent or another."""
        for agent in ("", "a-1"):
            batch = batch_of(entry(owner="key:alice"), entry(owner="key:bob", agent=agent))
            assert batch.sessions["alice", "s-1"].owner == SEVERAL_OWNERS
        assert batch_of(entry(owner="key:alice")).sessions["alice", "s-1"].owner == "key:alice"

    def test_first_words(self) -> None:
        """A first word counts in the bucket whose upper bound it does not exceed; none, in no bucket."""
        times = (100, 101, 120_000, 120_001, None)
        batch = batch_of(*(entry(attempts=(attempt(first_token=each),)) for each in times))
        assert {bucket: count for (*_, bucket), count in batch.latencies.items()} == {0: 1, 1: 1, 12: 1, 13: 1}


class AddAttemptTests:
    """One attempt."""

    def test_unknown_price(self) -> None:
        """An attempt that used tokens at a price that nobody knows is counted as such, and costs nothing."""
        sums = [0] * len(SUMS)
        add_attempt(sums, attempt(input=3, cache_read=None, cache_write=2, output=1, thinking=None, cost=None))
        assert named(sums) == {"attempts": 1, "input": 3, "cache_write": 2, "output": 1, "unpriced": 1}

    def test_free(self) -> None:
        """A price of 0 is a known price."""
        sums = [0] * len(SUMS)
        add_attempt(sums, attempt(input=0, cache_read=0, cache_write=0, output=0, thinking=0, cost=0))
        assert named(sums) == {"attempts": 1, "priced": 1}
