"""Which model answers: a model name -> the ordered candidates (docs/design.md 3).

A name leads to one candidate, a route with several models to as many. Resolving one takes about as long as translating
a short request, so the candidates of a name are kept for a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults

from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.secret import Secret
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.backend_api import BackendKind, Target
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.errors import NotFound
from claude_bridge.core.messages_api.request_info import strip_mark
from claude_bridge.core.model_list import ModelInfo, find, name_as_listed
from claude_bridge.core.nearest_names import name_list, nearest_names
from claude_bridge.services.interfaces import ModelLists
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection

KEPT_SECONDS: Final = 1.0
"""How long candidates are kept. Meanwhile nobody notices that a list is due to be fetched again."""

MAX_KEPT: Final = 256
"""Names, each for one credential, whose candidates are kept."""

MAX_TARGETS: Final = 1000
"""Targets that are cached, and names whose spelling is cached: model names may come from clients."""


@frozen(kw_only=True)
class Candidate:
    """One model at one backend.

    :ivar kind: the backend's kind.
    :ivar shown: the model's name in the answer.
    :ivar show_reasoning: ``auto``, ``always`` or ``never``.
    :ivar label: the name for the response header and the log.
    """

    backend: Backend
    kind: BackendKind
    target: Target
    shown: str
    show_reasoning: str = "auto"
    label: str = field(init=False, eq=False)

    @label.default
    def _make_label(self) -> str:
        return f"{self.backend.name}/{self.target.model}"


Candidates = tuple[Candidate, ...]


@frozen
class KeptCandidates:
    """Candidates that were resolved a moment ago.

    :ivar resolved: when that began (seconds, monotonic).
    :ivar revisions: the revisions of lists and dialects from which they were made.
    """

    candidates: Candidates
    resolved: float
    revisions: tuple[int, int]


@define
class CandidateResolver:
    """Resolves model names by the configuration and the backends' own lists."""

    _config: Config
    _lists: ModelLists
    _keys: KeyRing
    _detection: DialectDetection
    _kinds: Mapping[str, BackendKind]
    _seconds: Callable[[], float]
    _kept: BoundedMap[tuple[str, Secret | None], KeptCandidates] = field(
        factory=lambda: BoundedMap(MAX_KEPT), init=False
    )
    _targets: BoundedMap[tuple[str, str, str, str, int | None], Target] = field(
        factory=lambda: BoundedMap(MAX_TARGETS), init=False
    )
    _asked_once: set[str] = field(factory=set, init=False)
    _spellings: BoundedMap[tuple[str, str], tuple[tuple[ModelInfo, ...], str]] = field(
        factory=lambda: BoundedMap(MAX_TARGETS), init=False
    )

    async def candidates(self, model: str, credential: Secret | None) -> Candidates:
        """Return the candidates for ``model``, best first; raise `NotFound` if nothing can serve it.

        They are kept for `KEPT_SECONDS`, but not longer than the lists and dialects that they were made from.
        """
        now, revisions = self._seconds(), (self._lists.revision, self._detection.revision)
        kept = self._kept.peek((model, credential))  # no use to be counted: the newest are those that are in use
        if kept is not None and kept.revisions == revisions and now - kept.resolved < KEPT_SECONDS:
            return kept.candidates
        candidates = await self._resolve(model, credential)
        self._kept.put((model, credential), KeptCandidates(candidates, now, revisions))
        return candidates

    async def _resolve(self, model: str, credential: Secret | None) -> Candidates:
        """Return the candidates for ``model``.

        A configured name is not looked up at a backend. Neither is a ``claude-*`` name if there is a default route:
        it is one of Claude Code's own, and no backend lists it. This may wait for a context window, see `_window`.
        """
        name = strip_mark(model)
        candidate = await self._resolve_alias(name, model, credential) or await self._resolve_address(
            name, model, credential
        )
        if candidate is not None:
            return (candidate,)
        route = self._config.routes.get("default")
        if route is None or not name.startswith("claude-"):
            candidate = await self._resolve_listed(name, model, credential)
            if candidate is not None:
                return (candidate,)
        if route is not None and route.models:
            return await self._resolve_route(route.models, model, credential)
        return (await self._resolve_unknown(name, model, credential),)

    async def lists(self, credential: Secret | None) -> list[tuple[Backend, tuple[ModelInfo, ...]]]:
        """Return each backend with its models, in the order of the configuration; raise `CancelledError`."""
        backends = tuple(self._config.backends.values())
        asked = [self._lists.fetch(backend, self._keys.for_list(backend, credential)) for backend in backends]
        try:
            found = await gatherResults(asked, consumeErrors=True)
        except FirstError as error:  # lists fail only by being cancelled, all together, when their client leaves
            raise CancelledError from error
        return list(zip(backends, found, strict=True))

    async def _resolve_alias(self, name: str, shown: str, credential: Secret | None) -> Candidate | None:
        model = self._config.models.get(name)
        return await self._resolve_model(model, shown, credential) if model is not None else None

    async def _resolve_route(self, aliases: Sequence[str], shown: str, credential: Secret | None) -> Candidates:
        """Return the candidates of a route, resolved in parallel: backends that hang are waited for together."""
        resolving = [
            Deferred.fromCoroutine(self._resolve_model(self._config.models[alias], shown, credential))
            for alias in aliases
        ]
        try:
            candidates: list[Candidate] = await gatherResults(resolving, consumeErrors=True)
        except FirstError as error:  # the client left, and all of them were cancelled
            error.subFailure.raiseException()
        return tuple(candidates)

    async def _resolve_address(self, name: str, shown: str, credential: Secret | None) -> Candidate | None:
        """Return the candidate for a name of the form ``backend/model``; None if it is not one."""
        prefix, slash, rest = name.partition("/")
        backend = self._config.backends.get(prefix) if slash and rest else None
        if backend is None:
            return None
        return await self._resolve_named(backend, self._section(backend, rest), shown, credential)

    async def _resolve_listed(self, name: str, shown: str, credential: Secret | None) -> Candidate | None:
        """Return the candidate whose name is in a backend's list; an exact match wins over one in another case."""
        lists = await self.lists(credential)
        found = [(backend, find(models, name)) for backend, models in lists]
        matches = [(backend, info) for backend, info in found if info is not None]
        if not matches:
            return None
        backend, info = min(matches, key=lambda match: match[1].id != name)
        return await self._listed_candidate(backend, info.id, shown, info, credential)

    async def _resolve_unknown(self, name: str, shown: str, credential: Secret | None) -> Candidate:
        """Return the candidate for an unknown name: the only model there is, else the name as the client sent it."""
        backends = self._config.backends
        backend = backends.get(DEFAULT_BACKEND) or (next(iter(backends.values())) if len(backends) == 1 else None)
        if backend is None:
            similar = self._similar_names(name, credential)
            raise NotFound(
                f"model: {name} is not configured, and with several backends nothing says where it goes: name one of "
                f"the configured models in ANTHROPIC_MODEL, or give `[route:default]` a model{similar}",
                should_retry=False,
            )
        # `_resolve_listed` has just asked for the list, and waited for it long enough
        models = self._lists.known(backend, self._keys.for_list(backend, credential))
        only = models[0] if len(models) == 1 else None
        return await self._listed_candidate(backend, only.id if only is not None else name, shown, only, credential)

    def _similar_names(self, name: str, credential: Secret | None) -> str:
        """Return a sentence with the known names that are most like an unknown one."""
        names = dict.fromkeys(self._config.models)
        for backend in self._config.backends.values():
            known = self._lists.known(backend, self._keys.for_list(backend, credential))
            names.update(dict.fromkeys(f"{backend.name}/{model.id}" for model in known))
        return f". There are {name_list(nearest_names(name, names), len(names))}" if names else ""

    async def _resolve_model(self, model: Model, shown: str, credential: Secret | None) -> Candidate:
        return await self._resolve_named(self._config.backends[model.backend], model, shown, credential)

    async def _resolve_named(self, backend: Backend, model: Model, shown: str, credential: Secret | None) -> Candidate:
        """Return the candidate for a model of a backend, spelled as in the backend's list if that is known."""
        window = await self._window(backend, model, credential)
        own = self._keys.for_list(backend, credential, answers=True)
        listed = self._lists.known(backend, own)
        if not listed and model.context_window is not None and not self._detection.is_undecided(backend):
            self._lists.fetch(backend, own)  # `_window` had no need of it; the next request gets the spelling
        name = self._spelled(backend, model.name, listed)
        return self._candidate(backend, model if name == model.name else evolve(model, name=name), shown, window)

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
        model = self._section(backend, name)
        window = model.context_window
        if window is None and info is not None:
            window = info.context_window
        if window is None and self._truncates_silently(backend, model):
            own = self._keys.for_list(backend, credential, answers=True)
            window = _window_in(await self._lists.renewed(backend, own), model)
        return self._candidate(backend, model, shown, window)

    def _section(self, backend: Backend, name: str) -> Model:
        """Return the settings of a backend's model: those of its section, found in any case, or the defaults."""
        own = [model for model in self._config.models.values() if model.backend == backend.name]
        for model in own:
            if model.name == name:
                return model
        folded = name.casefold()
        same = next((model for model in own if model.name.casefold() == folded), None)
        return Model(alias=name, backend=backend.name, name=name) if same is None else evolve(same, name=name)

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
        )

    def _target(self, backend: Backend, model: Model, dialect: str, window: int | None) -> Target:
        """Return the target for a model, cached."""
        key = (backend.name, model.alias, model.name, dialect, window)
        target = self._targets.get(key)
        if target is None:
            target = self._kinds[backend.kind].target(
                dialect,
                model.name,
                model.overrides,
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
