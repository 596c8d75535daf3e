"""Tests for `claude_bridge.services.exchange.plan`."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from claude_bridge.config.schema import Backend, Model, Route
from claude_bridge.services.exchange.plan import Candidate, Plan, Step
from tests.services.exchange.stage import ONE, candidates, configured, resolving

FIRST = Step(backend=Backend(name="box"), model=Model(alias="a", backend="box", name="A"), shown="asked")
SECOND = Step(backend=Backend(name="spare"), model=Model(alias="b", backend="spare", name="B"), shown="b")


class PlanTests:
    """The steps of a plan."""

    def setup_method(self) -> None:
        """Make a plan of two steps, which notes what is resolved."""
        made: list[tuple[Candidate, ...]] = []
        Deferred.fromCoroutine(candidates(resolving(configured(ONE)), "glm")).addCallback(made.append)
        (self.candidate,) = made[0]
        self.resolved: list[Step] = []
        self.plan = Plan(Route(name="default"), (FIRST, SECOND), self.resolve)

    async def resolve(self, step: Step) -> Candidate:
        """Note the step."""
        self.resolved.append(step)
        return evolve(self.candidate, shown=step.shown)

    def candidate_of(self, step: Step) -> Candidate:
        """Return the candidate of a step."""
        found: list[Candidate] = []
        Deferred.fromCoroutine(self.plan.candidate(step)).addCallback(found.append)
        return found[0]

    def test_resolved_when_asked(self) -> None:
        """A step is looked at when its turn comes, and once."""
        assert [self.candidate_of(each).shown for each in (SECOND, SECOND, FIRST)] == ["b", "b", "asked"]
        assert self.resolved == [SECOND, FIRST]

    @pytest.mark.parametrize(
        ("preferred", "expected"),
        [("", [FIRST, SECOND]), ("box/A", [FIRST, SECOND]), ("spare/B", [SECOND, FIRST]), ("gone/C", [FIRST, SECOND])],
    )
    def test_order(self, preferred: str, expected: list[Step]) -> None:
        """The step that a conversation was at comes first, the others keep their order."""
        assert self.plan.in_order(preferred) == expected
