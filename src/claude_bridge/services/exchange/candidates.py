"""The models that one request may still ask, and what was tried with them."""

from __future__ import annotations

from collections.abc import Awaitable

from attrs import define, field

from claude_bridge.core.errors import BudgetSpent
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.retry import AttemptBudget, Failed, RetryBudget, Situation, Verdict
from claude_bridge.services.affinity import NOWHERE, Affinity, Conversation, Place
from claude_bridge.services.exchange.plan import Candidate, Plan, Step


@define(eq=False)
class Candidates:
    """The models of one plan that are left to be asked, in order. What failed stays out for the whole request.

    A request that takes another plan begins with new ones: failures of the first plan's models do not count any more.

    :ivar plan: what the models are of.
    :ivar place: where the conversation was answered last.
    :ivar retries: the ways in which the model was asked whose turn it is.
    """

    plan: Plan
    place: Place
    _steps: list[Step]
    _conversation: Conversation | None
    retries: RetryBudget = field(factory=RetryBudget, init=False)
    _attempt_budget: AttemptBudget | None = field(default=None, init=False)

    @classmethod
    def of(cls, plan: Plan, affinity: Affinity, requester: str, info: RequestInfo) -> Candidates:
        """Return the candidates of a plan, that first at which the conversation was answered last.

        ``requester`` is the name of the client's key, else its address.
        """
        conversation, place = None, NOWHERE
        if info.session and plan.has_choice:
            conversation = Conversation(requester, info.session, info.agent, plan.route.name)
            place = affinity.place(conversation)
        return cls(plan, place, plan.in_order(place.step), conversation)

    @property
    def others(self) -> int:
        """The number of models that are left besides the one whose turn it is."""
        return len(self._steps) - 1

    @property
    def has_failed(self) -> bool:
        """Whether something has failed."""
        return self._attempt_budget is not None

    def current(self) -> Awaitable[Candidate]:
        """Return the candidate whose turn it is; this may wait for a context window."""
        return self.plan.candidate(self._steps[0])

    def next(self) -> None:
        """Go on to the next model."""
        del self._steps[0]
        self.retries.reset()

    def judge(self, failed: Failed, situation: Situation, started: float) -> Verdict:
        """Note a failure and return what follows. ``started``: when the request began (seconds, monotonic)."""
        if self._attempt_budget is None:
            route = self.plan.route
            self._attempt_budget = AttemptBudget(route.patience, route.max_attempts, route.max_wait, started)
        return self._attempt_budget.judge(failed, situation)

    def ending(self) -> Failed:
        """Return the failure that the client is told of, of all that were judged."""
        assert self._attempt_budget is not None  # noqa: S101 - for the type checker
        return self._attempt_budget.ending()

    def other_route(self) -> BudgetSpent | None:
        """Return the error of a model's budget that leads to another route, if one was among the failures."""
        return None if self._attempt_budget is None else self._attempt_budget.other_route()

    def answered(self, affinity: Affinity, key: str) -> None:
        """Note for the next request of the conversation which model and which key, by its name, answered."""
        if self._conversation is not None:
            step, first = self._steps[0], self.plan.steps[0]
            affinity.answered(self._conversation, step.name, key, is_first_choice=step is first)
