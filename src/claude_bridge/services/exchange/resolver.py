"""Which models may answer: a model name, and what kind of request it is -> a plan (docs/design.md 3).

A name leads to one candidate, a route with several models to as many. What a name means and which route is taken is
decided by `claude_bridge.core.which_model`; only the backends' lists are looked at here. Resolving a candidate takes
about as long as translating a short request, so plans are kept for a second; the window of a candidate is asked for
only when its turn comes. What the client's key may not use is in no plan (`claude_bridge.config.key_scope`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, FirstError, gatherResults

from claude_bridge.config.key_scope import KeyScope, KeyScopes
from claude_bridge.config.named_models import NamedModels, section_of
from claude_bridge.config.schema import DIRECT, Backend, Config, Model, Route
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import BackendKind, Target
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.errors import NotFound
from claude_bridge.core.model_list import ModelInfo, find, name_as_listed
from claude_bridge.core.model_names import plain_name
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.core.routing import DEFAULT, Facts
from claude_bridge.core.which_model import Choice, Meant
from claude_bridge.services.exchange.plan import Candidate, Plan, Step
from claude_bridge.services.interfaces import ModelLists
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection

KEPT_SECONDS: Final = 1.0
"""How long a plan is kept. Meanwhile nobody notices that a list is due to be fetched again."""

MAX_KEPT: Final = 256
"""Names, each for one client, credential and route, whose plans are kept."""

MAX_TARGETS: Final = 1000
"""Targets that are cached, and names whose spelling is cached: model names may come from clients."""


@frozen
class KeptPlan:
    """A plan that was made a moment ago.

    :ivar made: when that began (seconds, monotonic).
    :ivar revisions: the revisions of lists and dialects from which it was made.
    """

    plan: Plan
    made: float
    revisions: tuple[int, int]


@define
class CandidateResolver:
    """Resolves model names by the configuration, its routes and the backends' own lists."""

    _config: Config
    _lists: ModelLists
    _keys: KeyRing
    _detection: DialectDetection
    _kinds: Mapping[str, BackendKind]
    _seconds: Callable[[], float]
    _scopes: KeyScopes = field(init=False)
    _named: NamedModels = field(init=False)
    _direct_route: Route = field(init=False)
    _kept: BoundedMap[tuple[str, Secret | None, str, str], KeptPlan] = field(
        factory=lambda: BoundedMap(MAX_KEPT), init=False
    )
    _targets: BoundedMap[tuple[str, str, str, str, int | None], Target] = field(
        factory=lambda: BoundedMap(MAX_TARGETS), init=False
    )
    _asked_once: set[str] = field(factory=set, init=False)
    _spellings: BoundedMap[tuple[str, str], tuple[tuple[ModelInfo, ...], str]] = field(
        factory=lambda: BoundedMap(MAX_TARGETS), init=False
    )

    @_scopes.default
    def _make_scopes(self) -> KeyScopes:
        return KeyScopes(self._config)

    @_named.default
    def _make_named(self) -> NamedModels:
        return NamedModels(self._config)

    @_direct_route.default
    def _make_direct_route(self) -> Route:
        """Return the settings for requests that go to the model that they name: those of the default route."""
        default = self._config.routes.get(DEFAULT, DIRECT)
        return evolve(default, name=DIRECT.name, models=())

    def scope(self, client: str) -> KeyScope:
        """Return what the clients of the key of this name may use; everything for ""."""
        return self._scopes.of(client)

    async def plan(self, model: str, credential: Secret | None, facts: Facts, client: str = "") -> Plan:
        """Return the plan for a request.

        Raises `NotFound` if nothing can serve it, `ModelNotAllowed` if its client may use nothing that could.

        It is kept for `KEPT_SECONDS`, but not longer than the lists and dialects that it was made from.

        :param model: the name that the client asked for.
        :param client: the name of its ``[key:NAME]``, "" without one.
        """
        name, scope = plain_name(model), self.scope(client)
        choice = scope.which.choose(name, facts) if scope.has_conditions else None
        now, revisions = self._seconds(), (self._lists.revision, self._detection.revision)
        key = (model, credential, "" if choice is None else choice.route, scope.name)
        kept = self._kept.peek(key)  # no use to be counted: the newest are those that are in use
        if kept is not None and kept.revisions == revisions and now - kept.made < KEPT_SECONDS:
            return kept.plan
        if choice is None:  # the name alone decides, and it is not decided anew for each request
            choice = scope.which.choose(name, facts)
        plan = await self._make_plan(choice, model, credential, scope)
        self._kept.put(key, KeptPlan(plan, now, revisions))
        return plan

    def plan_of_route(
        self, name: str, credential: Secret | None, client: str = "", *, taken: tuple[str, ...] = ()
    ) -> Plan | None:
        """Return the plan for a request that takes a route because a budget is spent; an answer bears its model's name.

        None if there is no such route, or its client may use none of the route's models. ``client`` as for `plan`; the
        routes that its key may take do not matter. ``taken``: the routes that were taken before because of budgets.
        """
        route, scope = self._config.routes.get(name), self.scope(client)
        if route is None:
            return None
        steps = tuple(
            step
            for step in self._route_steps(route, route.models[0])
            if scope.allows(step.backend.name, step.model.name)
        )
        if not steps:
            return None
        return Plan(route, steps, partial(self.resolve, credential=credential), taken=(*taken, name))

    async def resolve(self, step: Step, credential: Secret | None) -> Candidate:
        """Return the candidate for a step, its model spelled as in the backend's list if that is known."""
        backend, model = step.backend, step.model
        window = await self._window(backend, model, credential)
        own = self._keys.for_list(backend, credential, answers=True)
        listed = self._lists.known(backend, own)
        if not listed and model.context_window is not None and not self._detection.is_undecided(backend):
            self._lists.fetch(backend, own)  # `_window` had no need of it; the next request gets the spelling
        name = self._spelled(backend, model.name, listed)
        return self._candidate(backend, model if name == model.name else evolve(model, name=name), step.shown, window)

    async def _make_plan(self, choice: Choice, shown: str, credential: Secret | None, scope: KeyScope) -> Plan:
        """Return a new plan. A name that a backend lists is meant, whatever the routes say."""
        route, resolve = scope.config.routes.get(choice.route), partial(self.resolve, credential=credential)
        if choice.asks_lists:
            candidate = await self._resolve_listed(choice.name, shown, credential, scope)
            if candidate is not None:
                return self._direct(candidate, credential)
        if route is not None:
            return Plan(route, tuple(self._route_steps(route, shown)), resolve)
        if choice.meant is not None:
            step = self._step(choice.meant, shown)
            if not scope.allows(step.backend.name, step.model.name):
                raise scope.refusal(choice.name)
            return Plan(self._direct_route, (step,), resolve)
        if scope.routes is not None:  # no route that its requests may take is left for it
            raise scope.refusal(choice.name)
        return self._direct(await self._resolve_unknown(choice.name, shown, credential, scope), credential)

    def _step(self, meant: Meant, shown: str) -> Step:
        model = self._named.model(meant)
        return Step(backend=self._config.backends[model.backend], model=model, shown=shown)

    def _route_steps(self, route: Route, shown: str) -> Iterator[Step]:
        """Yield the steps of a route; an answer of its first model bears the name that the client asked for."""
        for name in route.models:
            meant = self._scopes.of("").which.meant(name)
            if meant is not None:  # always: the configuration was checked
                yield self._step(meant, shown if name == route.models[0] else name)

    def _direct(self, candidate: Candidate, credential: Secret | None) -> Plan:
        """Return the plan of one candidate that is resolved already."""
        model = Model(alias=candidate.target.model, backend=candidate.backend.name, name=candidate.target.model)
        step = Step(backend=candidate.backend, model=model, shown=candidate.shown)
        return Plan(self._direct_route, (step,), partial(self.resolve, credential=credential), {step: candidate})

    async def lists(self, credential: Secret | None) -> list[tuple[Backend, tuple[ModelInfo, ...]]]:
        """Return each backend with its models, in the order of the configuration; raise `CancelledError`."""
        backends = tuple(self._config.backends.values())
        asked = [self._lists.fetch(backend, self._keys.for_list(backend, credential)) for backend in backends]
        try:
            found = await gatherResults(asked, consumeErrors=True)
        except FirstError as error:  # lists fail only by being cancelled, all together, when their client leaves
            raise CancelledError from error
        return list(zip(backends, found, strict=True))

    def known_list(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:
        """Return a backend's list as far as it is known for this credential; asks nobody."""
        keys = (self._keys.for_list(backend, credential, answers=answers) for answers in (True, False))
        return next((models for key in keys if (models := self._lists.known(backend, key))), ())

    async def _resolve_listed(
        self, name: str, shown: str, credential: Secret | None, scope: KeyScope
    ) -> Candidate | None:
        """Return the candidate whose name is in a backend's list; an exact match wins over one in another case."""
        lists = await self.lists(credential)
        found = [(backend, find(models, name)) for backend, models in lists]
        matches = [(backend, info) for backend, info in found if info is not None]
        if not matches:
            return None
        matches = [(backend, info) for backend, info in matches if scope.allows(backend.name, info.id)]
        if not matches:
            raise scope.refusal(name)
        backend, info = min(matches, key=lambda match: match[1].id != name)
        return await self._listed_candidate(backend, info.id, shown, info, credential)

    async def _resolve_unknown(self, name: str, shown: str, credential: Secret | None, scope: KeyScope) -> Candidate:
        """Return the candidate for an unknown name: the only model there is, else the name as the client sent it."""
        backend = self._named.home
        if backend is None and scope.models is not None:
            raise scope.refusal(name)
        if backend is None:
            similar = self._similar_names(name, credential)
            raise NotFound(
                f"model: {name} is not configured, and there is more than one backend: set ANTHROPIC_MODEL to a "
                f"configured model, or give `[route:default]` a model{similar}",
                should_retry=False,
            )
        # `_resolve_listed` has just asked for the list, and waited for it long enough
        models = self._lists.known(backend, self._keys.for_list(backend, credential))
        only = models[0] if len(models) == 1 else None
        model = only.id if only is not None else name
        if not scope.allows(backend.name, model):
            raise scope.refusal(name)
        return await self._listed_candidate(backend, model, shown, only, credential)

    def _similar_names(self, name: str, credential: Secret | None) -> str:
        """Return a sentence with the known names that are most like an unknown one."""
        names = dict.fromkeys(self._config.models)
        for backend in self._config.backends.values():
            known = self._lists.known(backend, self._keys.for_list(backend, credential))
            names.update(dict.fromkeys(f"{backend.name}/{model.id}" for model in known))
        return f". There are {name_list(nearest_names(name, names), len(names))}" if names else ""

    def _spelled(self, backend: Backend, name: str, listed: tuple[ModelInfo, ...]) -> str:
        """Return ``name`` as it is spelled in ``listed``; looked up once for each list."""
        cached = self._spellings.get((backend.name, name))
        if cached is not None and cached[0] is listed:
            return cached[1]
        spelling = name_as_listed(listed, name)
        self._spellings.put((backend.name, name), (listed, spelling))
        return spelling

    async def _listed_candidate(
        self, backend: Backend, name: str, shown: str, info: ModelInfo | None, credential: Secret | None
    ) -> Candidate:
        """Return the candidate for a model of a backend's list."""
        model = self._named.at(backend.name, name)
        window = model.context_window
        if window is None and info is not None:
            window = info.context_window
        if window is None and self._truncates_silently(backend, model):
            own = self._keys.for_list(backend, credential, answers=True)
            window = _window_in(await self._lists.renewed(backend, own), model)
        return self._candidate(backend, model, shown, window)

    async def _window(self, backend: Backend, model: Model, credential: Secret | None) -> int | None:
        """Return the context window as configured, else as the backend's list gives it.

        The list also tells which dialect a backend speaks. For a backend whose dialect is known it is requested but not
        waited for, with one exception: a server that silently truncates prompts (`Traits.truncates`: Ollama) while no
        window is known. Then the list is renewed before anything is sent, since the model may have been loaded
        meanwhile. Truncation loses the user's conversation, and the wait is short: two seconds at most, and if the list
        hangs not for every request (`claude_bridge.services.model_lists`).

        The first request to a backend whose dialect is not known waits too, once while the daemon runs: the backend may
        be one that truncates.
        """
        if model.context_window is not None and not self._detection.is_undecided(backend):
            return model.context_window
        shown = self._keys.for_list(backend, credential, answers=True)
        is_new = backend.name not in self._asked_once and self._detection.is_undecided(backend)
        if is_new:
            await self._lists.fetch(backend, shown)
            self._asked_once.add(backend.name)
        window = model.context_window or _window_in(self._lists.known(backend, shown), model)
        if window is None and self._truncates_silently(backend, model):
            return _window_in(await self._lists.renewed(backend, shown), model)
        if not is_new:
            self._lists.fetch(backend, shown)
        return window

    def _truncates_silently(self, backend: Backend, model: Model) -> bool:
        """Return whether a server silently truncates prompts although it could tell its window."""
        dialect = self._detection.dialect_of(backend).dialect
        return bool(dialect.lists) and self._target(backend, model, dialect.name, None).truncates

    def _candidate(self, backend: Backend, model: Model, shown: str, window: int | None) -> Candidate:
        return Candidate(
            backend=backend,
            kind=self._kinds[backend.kind],
            target=self._target(backend, model, self._detection.dialect_of(backend).dialect.name, window),
            shown=shown,
            show_reasoning=model.show_reasoning,
            section=section_of(self._config, model),
        )

    def _target(self, backend: Backend, model: Model, dialect: str, window: int | None) -> Target:
        """Return the target for a model, cached."""
        key = (backend.name, model.alias, model.name, dialect, window)
        target = self._targets.get(key)
        if target is None:
            traits = self._kinds[backend.kind].traits(dialect, model.name)
            target = self._kinds[backend.kind].target(
                dialect,
                model.name,
                {name: value for name, value in model.overrides.items() if name in traits},
                context_window=window,
                window_configured=model.context_window is not None,
                max_output_tokens=model.max_output_tokens,
                strip_attribution=backend.strip_attribution,
            )
            self._targets.put(key, target)
        return target


def _window_in(models: Sequence[ModelInfo], model: Model) -> int | None:
    """Return the window that a backend's list gives for ``model``."""
    info = find(models, model.name)
    return info.context_window if info is not None else None
