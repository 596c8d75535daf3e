"""Tests for `claude_bridge.services.exchange.planner`: which plan a request gets if a budget is spent."""

from __future__ import annotations

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from claude_bridge.core.errors import BudgetSpent
from claude_bridge.services.accounting.no_budgets import NO_BUDGETS, NoBudgets
from claude_bridge.services.exchange.plan import Plan
from claude_bridge.services.exchange.planner import Planner
from claude_bridge.services.interfaces import Budgets, Spender
from tests.services.exchange.stage import NO_FACTS, ONE, configured, resolving

CHEAP = f"{ONE}[model:small]\nbackend = box\n[route:cheap]\nmodels = small\nwhen = background\n"
SPENDER = Spender(key="", session="s1")


@define
class SpentBudgets(NoBudgets):
    """Budgets of which nothing is left.

    :ivar route: the route that is taken then.
    :ivar asked: who wanted to spend.
    """

    route: str = ""
    asked: list[Spender] = field(factory=list)

    def check(self, spender: Spender) -> None:
        """Refuse."""
        self.asked.append(spender)
        raise BudgetSpent("the budget all is spent", route=self.route)


def planned(budgets: Budgets, *, may_be_free: bool = False) -> Plan | Failure:
    """Return the plan of a request for glm, or why it has none."""

    async def free() -> bool:
        return may_be_free

    planner = Planner(resolving(configured(CHEAP)), budgets)
    found: list[Plan | Failure] = []
    Deferred.fromCoroutine(planner.plan("glm", NO_FACTS, None, SPENDER, "req_1", free)).addBoth(found.append)
    return found[0]


class PlannerTests:
    """Plans."""

    def test_as_asked(self) -> None:
        """While no budget is spent the request goes where its name leads."""
        plan = planned(NO_BUDGETS)
        assert isinstance(plan, Plan)
        assert ([step.name for step in plan.steps], plan.taken) == (["box/zai/GLM"], ())

    def test_other_route(self) -> None:
        """With a route for that case the plan is that route's, and the log says why."""
        budgets = SpentBudgets("cheap")
        with capturedLogs() as logged:
            plan = planned(budgets)
        assert isinstance(plan, Plan)
        assert ([step.name for step in plan.steps], plan.taken) == (["box/small"], ("cheap",))
        assert budgets.asked == [SPENDER]
        (event,) = logged
        assert formatEvent(event) == "route cheap is taken: the budget all is spent"
        assert (event["event"], event["request_id"], event["route"]) == ("budget-route", "req_1", "cheap")

    def test_again(self) -> None:
        """A plan knows all the routes that were taken one after the other."""
        planner = Planner(resolving(configured(CHEAP)), NO_BUDGETS)
        plan = planner.plan_instead(BudgetSpent("spent", route="cheap"), None, SPENDER, "req_1", ("first",))
        assert plan.taken == ("first", "cheap")

    def test_may_be_free(self) -> None:
        """A request that may need no backend is not refused before that is known, but takes another route at once."""
        plan = planned(SpentBudgets(""), may_be_free=True)
        assert isinstance(plan, Plan)
        assert [step.name for step in plan.steps] == ["box/zai/GLM"]
        plan = planned(SpentBudgets("cheap"), may_be_free=True)
        assert isinstance(plan, Plan)
        assert [step.name for step in plan.steps] == ["box/small"]

    @pytest.mark.parametrize("route", ["", "removed"])
    def test_refused(self, route: str) -> None:
        """Without such a route the budget's refusal is the client's answer."""
        refused = planned(SpentBudgets(route))
        assert isinstance(refused, Failure)
        assert isinstance(refused.value, BudgetSpent)
        assert refused.value.message == "the budget all is spent"
