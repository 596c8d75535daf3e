"""The models that may answer one request, in order; only the one whose turn has come is looked at more closely."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import define, field, frozen

from claude_bridge.config.schema import Backend, Model, Route
from claude_bridge.core.backend_api import BackendKind, Target


@frozen(kw_only=True)
class Candidate:
    """One model at one backend.

    :ivar kind: the backend's kind.
    :ivar shown: the model's name in the answer.
    :ivar show_reasoning: ``auto``, ``always`` or ``never``.
    :ivar section: the name of the model's section in the configuration; "" if it has none.
    :ivar label: the name for the response header and the log.
    """

    backend: Backend
    kind: BackendKind
    target: Target
    shown: str
    show_reasoning: str = "auto"
    section: str = ""
    label: str = field(init=False, eq=False)

    @label.default
    def _make_label(self) -> str:
        return f"{self.backend.name}/{self.target.model}"


@frozen(kw_only=True, eq=False)
class Step:
    """One model of a plan, of which nothing was asked yet. Compared by identity: it has its place in one plan.

    :ivar shown: the model's name in the answer, if this step gives it.
    """

    backend: Backend
    model: Model
    shown: str

    @property
    def name(self) -> str:
        """The name of the step for logs, and for a session that returns to it."""
        return f"{self.backend.name}/{self.model.name}"


Resolve: TypeAlias = Callable[[Step], Awaitable[Candidate]]


@define(eq=False)
class Plan:
    """The models that may answer a request, in order.

    :ivar has_choice: whether there are several models or keys, so that it matters where a conversation stays.
    :ivar route: the route, one without a name for a request that goes to the model that it names.
    :ivar taken: the routes that were taken one after the other because budgets are spent, this one last.
    """

    route: Route
    steps: tuple[Step, ...]
    _resolve: Resolve
    has_choice: bool = field(init=False)
    _candidates: dict[Step, Candidate] = field(factory=dict)
    taken: tuple[str, ...] = field(default=(), kw_only=True)

    @has_choice.default
    def _look_for_a_choice(self) -> bool:
        return len(self.steps) > 1 or any(len(step.backend.api_key) > 1 for step in self.steps)

    async def candidate(self, step: Step) -> Candidate:
        """Return the candidate of a step; this may wait for a context window, see `CandidateResolver.resolve`."""
        found = self._candidates.get(step)
        if found is None:
            found = self._candidates[step] = await self._resolve(step)
        return found

    def in_order(self, preferred: str) -> list[Step]:
        """Return the steps in the order in which they are asked: the one called ``preferred``, if any, comes first."""
        if not preferred:
            return list(self.steps)
        return sorted(self.steps, key=lambda step: step.name != preferred)
