"""Tests for `claude_bridge.services.accounting.budget_log`; more are in the tests of the counters, which use it."""

from __future__ import annotations

from datetime import UTC

import pytest
from attrs import evolve
from twisted.logger import capturedLogs, formatEvent

from claude_bridge.core.budgets import Counter, Limit, Meter, Scope, Who
from claude_bridge.services.accounting import budget_log
from claude_bridge.services.accounting.budget_log import BudgetLog
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

NOON = 1_764_504_000.0
AGENTS = Meter("agent", (), "day", "UTC", UTC)


def limit(name: str, amount: int) -> Limit:
    """Make a budget in tokens."""
    return Limit(name=name, scope=Scope("agent"), meter=AGENTS, unit="tokens", amount=amount, warn=50)


class BudgetLogTests:
    """What is logged."""

    def test_each_once(self) -> None:
        """Each of several budgets is told of when its part is reached and when it is spent, with whose it is."""
        log, counter, limits = BudgetLog(), Counter.at(AGENTS, NOON), [limit("small", 10), limit("large", 100)]
        words = []
        for tokens in (4, 2, 5, 40, 100):
            counter.book(NOON, 0, tokens)
            with capturedLogs() as logged:
                log.tell(limits, ("anna", "s-1", "a-1"), counter)
                log.tell(limits, ("anna", "s-1", "a-1"), counter)
            words.append([(each["budget"].split()[0], each["word"]) for each in logged])
            assert all((each["key"], each["session"], each["agent"]) == ("anna", "s-1", "a-1") for each in logged)
        assert words == [
            [],
            [("small", "has reached 50 %")],
            [("small", "is spent")],
            [("large", "has reached 50 %")],
            [("large", "is spent")],
        ]

    @pytest.mark.parametrize(
        ("who", "told"),
        [
            ((), "the budget small (for each subagent) is spent: 12 of 10 tokens a day"),
            (
                ("anna", "3f2a91"),
                "the budget small (for each subagent), #3f2a of anna, is spent: 12 of 10 tokens a day",
            ),
            (("", "3f2a91"), "the budget small (for each subagent), #3f2a, is spent: 12 of 10 tokens a day"),
            (
                ("anna", "3f2a91", "a0123456789"),
                "the budget small (for each subagent), a0123456 in #3f2a of anna, is spent: 12 of 10 tokens a day",
            ),
        ],
    )
    def test_whose(self, who: Who, told: str) -> None:
        """The text says which session or subagent it is and of which key, briefly, and nothing of the only one."""
        counter = Counter.at(AGENTS, NOON)
        counter.book(NOON, 0, 12)
        with capturedLogs() as logged:
            BudgetLog().tell([limit("small", 10)], who, counter)
        assert [formatEvent(each) for each in logged] == [told]

    def test_unpriced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A model of unknown price is told of once, and no more models than have a place."""
        monkeypatch.setattr(budget_log, "MAX_UNPRICED", 2)
        log = BudgetLog()
        with capturedLogs() as logged:
            for model in ("a", "a", "b", "c"):
                log.tell_unpriced(evolve(RECORD, attempts=(evolve(ATTEMPT, model=model, cost=None),)))
            log.tell_unpriced(evolve(RECORD, attempts=(evolve(ATTEMPT, model="priced", cost=0),)))
        assert [each["model"] for each in logged] == ["a", "b"]
