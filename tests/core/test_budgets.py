"""Tests for `claude_bridge.core.budgets`."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from claude_bridge.core.budget_periods import Per, period
from claude_bridge.core.budgets import (
    NOTHING,
    Amounts,
    Counter,
    Holding,
    Limit,
    Meter,
    Scope,
    ScopeKind,
    Use,
    described,
    has_room,
    is_spent,
    refusal,
)
from claude_bridge.core.prices import DOLLAR

NOW = datetime(2026, 11, 30, 15, 20, tzinfo=UTC).timestamp()


def meter(kind: ScopeKind = "all", *what: str, per: Per = "day", timezone: str = "UTC") -> Meter:
    """Make a meter."""
    return Meter(kind, what, per, timezone, ZoneInfo(timezone))


DAY = Limit(name="team", scope=Scope("all"), meter=meter(), unit="usd", amount=5 * DOLLAR)


class MeterTests:
    """What is counted where."""

    @pytest.mark.parametrize(
        ("metered", "use", "who"),
        [
            (meter("all"), Use("", "", ""), ()),
            (meter("key", "alice"), Use("alice", "s", ""), ()),
            (meter("key", "alice"), Use("bob", "s", ""), None),
            (meter("session"), Use("alice", "s", "a"), ("alice", "s")),
            (meter("session"), Use("alice", "", ""), None),
            (meter("agent"), Use("", "s", "a"), ("", "s", "a")),
            (meter("agent"), Use("", "s", ""), None),
            (meter("model", "box", "glm"), Use("", "", "", "box", "glm"), ()),
            (meter("model", "box", "glm"), Use("", "", "", "other", "glm"), None),
        ],
    )
    def test_who(self, metered: Meter, use: Use, who: tuple[str, ...] | None) -> None:
        """A session is one of its key's, the main conversation is no agent, a model is one of its backend's."""
        assert metered.who(use) == who

    def test_shared(self) -> None:
        """Two budgets that count the same have one meter."""
        assert meter(timezone="Asia/Kolkata") == meter(timezone="Asia/Kolkata") != meter()


class CounterTests:
    """Counting in periods."""

    def test_other_period(self) -> None:
        """An attempt counts in the period in which it began."""
        counter = Counter.at(meter(), NOW)
        start, end = counter.period
        booked = [counter.book(moment, 1, 2) for moment in (start - 1, start, NOW, end - 1, end)]
        assert booked == [False, True, True, True, False]
        assert counter.spent == Amounts(3, 6)

    def test_begins_anew(self) -> None:
        """With the next period nothing is spent; what was held for requests of the last one is not missing later."""
        counter, holding = Counter.at(meter(per="hour"), NOW), Holding()
        counter.book(NOW, 5, 5)
        holding.hold([counter], 7, 7)
        counter.told.add(("team", "warn"))
        counter.follow(counter.period.end)
        assert (counter.spent, counter.held, counter.told) == (NOTHING, NOTHING, set())
        holding.know(1, 1)
        holding.release()
        assert counter.held == NOTHING

    def test_clock_set_back(self) -> None:
        """A clock that was wrong does not keep a budget spent until the time that it showed."""
        counter = Counter.at(meter(), NOW + 10 * 365 * 86_400)
        counter.book(NOW + 10 * 365 * 86_400, 1, 1)
        counter.follow(NOW)
        assert counter.period == period("day", NOW, UTC)
        assert counter.spent == NOTHING


class RefusalTests:
    """When a budget refuses, and in which words."""

    def test_own_estimate_does_not_count(self) -> None:
        """With nothing spent, and nobody else, the longest prompt is asked."""
        assert has_room(evolve(DAY, amount=1), Counter.at(meter(), NOW))

    def test_others_count(self) -> None:
        """What is held for others leaves no room, but it is not spent, and the words say that it will pass."""
        counter, holding = Counter.at(meter(), NOW), Holding()
        counter.book(NOW, 4 * DOLLAR, 0)
        assert has_room(DAY, counter)
        holding.hold([counter], DOLLAR, 0)
        assert (has_room(DAY, counter), is_spent(DAY, counter)) == (False, False)
        assert refusal(DAY, counter) == (
            "claude-bridge: the rest of the budget team (for all) is reserved for requests under way: $4.00 of $5.00 a "
            "day are spent, and $1.00 are reserved. Try again when they have ended."
        )
        holding.know(DOLLAR, 0)
        counter.book(NOW, DOLLAR, 0)
        holding.release()
        assert (has_room(DAY, counter), is_spent(DAY, counter)) == (False, True)

    @pytest.mark.parametrize("kind", ["agent", "session", "all"])
    def test_nothing_final_while_it_is_reserved(self, kind: ScopeKind) -> None:
        """What passes in seconds tells no agent that it gets no more, and nobody to wait for tomorrow."""
        limit = Limit(name="b", scope=Scope(kind), meter=meter(kind, per="session"), unit="tokens", amount=50)
        counter = Counter.at(limit.meter, NOW)
        Holding().hold([counter], 0, 60)
        told = refusal(limit, counter)
        assert told.endswith(": 0 of 50 tokens are spent, and 60 are reserved. Try again when they have ended.")

    @pytest.mark.parametrize(
        ("scope", "metered", "told"),
        [
            (
                Scope("key", "alice"),
                meter("key", "alice", timezone="Europe/Berlin"),
                (
                    "claude-bridge: the budget b (for key alice) is spent: $5.03 of $5.00 a day. It starts again on "
                    "Tuesday 1 December at 00:00 (Europe/Berlin)."
                ),
            ),
            (
                Scope("all"),
                meter(per="hour", timezone="Asia/Kolkata"),
                (
                    "claude-bridge: the budget b (for all) is spent: $5.03 of $5.00 an hour. It starts again at 21:00 "
                    "(Asia/Kolkata)."
                ),
            ),
            (
                Scope("session"),
                meter("session", per="session"),
                (
                    "claude-bridge: the budget b (for each session) is spent: $5.03 of $5.00. This session gets no "
                    "more; a new session has a budget of its own."
                ),
            ),
            (
                Scope("agent"),
                meter("agent", per="session"),
                (
                    "claude-bridge: the budget b (for each subagent) is spent: $5.03 of $5.00. This agent gets no "
                    "more: do not start it again; go on without it."
                ),
            ),
        ],
    )
    def test_words(self, scope: Scope, metered: Meter, told: str) -> None:
        """They name the budget, what it is for, what was spent of how much, and when it starts again."""
        counter = Counter.at(metered, NOW)
        counter.book(NOW, 5_030_000_000_000, 0)
        assert refusal(Limit(name="b", scope=scope, meter=metered, unit="usd", amount=5 * DOLLAR), counter) == told

    def test_tokens(self) -> None:
        """Tokens are called tokens."""
        counter = Counter.at(meter(per="month"), NOW)
        counter.book(NOW, 0, 1_200_345)
        told = refusal(evolve(DAY, unit="tokens", amount=10**6, meter=meter(per="month")), counter)
        assert "is spent: 1,200,345 of 1,000,000 tokens a month. It starts again on Tuesday 1 December" in told

    @given(st.integers(1, 10**15), st.integers(1, 100))
    def test_warning(self, amount: int, percent: int) -> None:
        """It is warned of from the first amount on that is not below the part."""
        limit = evolve(DAY, amount=amount, warn=percent)
        assert limit.warn_at * 100 >= amount * percent > (limit.warn_at - 1) * 100

    def test_described(self) -> None:
        """A name says little to a person without what it is for."""
        assert described(DAY) == "team (for all)"


AMOUNTS = st.builds(Amounts, st.integers(0, 10**12), st.integers(0, 10**6))


@define
class Asked:
    """A request under way, and what it has used so far."""

    holding: Holding = field(factory=Holding)
    running: bool = False


class AccountsMachine(RuleBasedStateMachine):
    """Random requests: what is spent is the sum of what was booked in the period, and everything held is released."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.counters = [Counter.at(meter(per=per, timezone="Asia/Kolkata"), NOW) for per in ("hour", "day", "session")]
        self.requests: list[Asked] = []
        self.booked: list[tuple[float, Amounts]] = []

    @rule(seconds=st.floats(0, 5_000))
    def time_passes(self, seconds: float) -> None:
        """Periods end."""
        self.now += seconds
        for each in self.counters:
            each.follow(self.now)

    @rule(amounts=AMOUNTS)
    def begin(self, amounts: Amounts) -> None:
        """A request begins, and so does its first attempt."""
        asked = Asked(running=True)
        asked.holding.hold(self.counters, *amounts)
        self.requests.append(asked)

    @rule(data=st.data(), amounts=AMOUNTS)
    def attempt_ends(self, data: st.DataObject, amounts: Amounts) -> None:
        """An attempt ends, and its amounts are known, or it was given up."""
        running = [each for each in self.requests if each.running]
        if running:
            asked = data.draw(st.sampled_from(running))
            asked.running = False
            if data.draw(st.booleans()):
                asked.holding.know(*amounts)
            else:
                asked.holding.release_last()

    @rule(data=st.data(), amounts=AMOUNTS)
    def again(self, data: st.DataObject, amounts: Amounts) -> None:
        """A request makes another attempt."""
        waiting = [each for each in self.requests if not each.running]
        if waiting:
            asked = data.draw(st.sampled_from(waiting))
            asked.running = True
            asked.holding.hold(self.counters, *amounts)

    @rule(data=st.data(), amounts=AMOUNTS)
    def request_ends(self, data: st.DataObject, amounts: Amounts) -> None:
        """A request ends, in whatever state, and is booked."""
        if self.requests:
            asked = data.draw(st.sampled_from(self.requests))
            self.requests.remove(asked)
            asked.holding.release()
            self.booked.append((self.now, amounts))
            for each in self.counters:
                each.book(self.now, *amounts)

    @invariant()
    def sums(self) -> None:
        """What is spent is what was booked in the period; nothing is held where nothing is under way."""
        for counter in self.counters:
            start, end = counter.period
            inside = [amounts for moment, amounts in self.booked if start <= moment < end]
            assert counter.spent == Amounts(sum(each.usd for each in inside), sum(each.tokens for each in inside))
            assert min(counter.held) >= 0
            assert self.requests or counter.held == NOTHING


AccountsTests = AccountsMachine.TestCase
