"""Makes the plan of a request, which is that of another route where a budget is spent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen
from twisted.logger import Logger

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BudgetSpent
from claude_bridge.core.routing import Facts
from claude_bridge.services.exchange.plan import Plan
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.interfaces import Budgets, Spender

_log = Logger()


@frozen
class Planner:
    """Makes the plans of one configuration's requests."""

    _resolver: CandidateResolver
    _budgets: Budgets

    async def plan(
        self,
        model: str,
        facts: Facts,
        credential: Secret | None,
        spender: Spender,
        request_id: str,
        may_be_free: Callable[[], Awaitable[bool]],
    ) -> Plan:
        """Return the plan for a request for ``model``; raise `BudgetSpent` if a budget refuses it.

        ``may_be_free`` says whether it may turn out to need no backend, which no budget refuses. Other errors are those
        of `CandidateResolver.plan`.
        """
        instead = None
        try:
            self._budgets.check(spender)
        except BudgetSpent as spent:
            if spent.route or not await may_be_free():
                instead = self.plan_instead(spent, credential, spender, request_id)
        return instead or await self._resolver.plan(model, credential, facts, spender.key)

    def plan_instead(
        self,
        spent: BudgetSpent,
        credential: Secret | None,
        spender: Spender,
        request_id: str,
        taken: tuple[str, ...] = (),
    ) -> Plan:
        """Return the plan of the route that is taken where a budget is spent; raise the error if there is none.

        ``taken``: the routes that were taken before because of budgets.
        """
        plan = self._resolver.plan_of_route(spent.route, credential, spender.key, taken=taken)
        if plan is None:
            raise spent
        _log.info(
            "route {route} is taken: {why}",
            event="budget-route",
            request_id=request_id,
            route=spent.route,
            why=spent.message,
        )
        return plan
