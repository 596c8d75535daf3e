"""The models that clients may ask for, as ``/v1/models`` publishes them (docs/design.md 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from attrs import define, field, frozen

from claude_bridge.config.key_scope import KeyScope
from claude_bridge.config.named_models import conversation_models, which_model
from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.secret import Secret
from claude_bridge.core.model_list import ModelInfo, find
from claude_bridge.core.model_names import AUTO, MARK, as_spelled, is_clients_own, plain_name
from claude_bridge.core.which_model import WhichModel
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.knowledge.profiles import ModelProfiles

Lists: TypeAlias = Sequence[tuple[Backend, tuple[ModelInfo, ...]]]
"""The backends, each with its models."""


@frozen(kw_only=True)
class PublishedModel:
    """One entry.

    :ivar id: the plain name with the marker without which Claude Code's discovery drops a model.
    :ivar created: Unix seconds, if the backend says.
    :ivar max_input_tokens: the context window.
    :ivar max_tokens: the longest answer.
    """

    id: str
    display_name: str
    created: int | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None


@define
class Catalogue:
    """Lists the configured names, and the backends' own models if those are to be shown.

    The backends' lists are also asked for if they may tell a window that nothing else does: a client that does not know
    it fills any.

    Every plain name that it publishes leads to the model that it stands for, and no other entry has the same.
    """

    _config: Config
    _resolver: CandidateResolver
    _profiles: ModelProfiles
    _which: WhichModel = field(init=False)

    @_which.default
    def _make_which(self) -> WhichModel:
        return which_model(self._config)

    async def models(self, credential: Secret | None, client: str = "") -> tuple[PublishedModel, ...]:
        """Return all entries: ``auto``, configured names, backends' models; of a slow backend those last known.

        ``client`` is the name of a ``[key:NAME]``; what it may not use is left out.
        """
        scope = self._resolver.scope(client)
        lists = await self._lists(credential)  # first, as they also have windows of configured models
        listed = self._listed(lists, scope) if self._shows_lists else ()
        entries = (*self._auto(credential, scope), *self._configured(credential, scope), *listed)
        return tuple({entry.id: entry for entry in entries}.values())

    async def model(self, name: str, credential: Secret | None, client: str = "") -> PublishedModel | None:
        """Return one entry by its plain or published id, with or without ``[1m]``, in any case; None if there is none.

        An entry in the case that was asked for comes first.
        """
        entries = {plain_name(one.id): one for one in await self.models(credential, client)}
        found = as_spelled(plain_name(name), entries)
        return None if found is None else entries[found]

    def window(self, backend: str, model: str, credential: Secret | None) -> int | None:
        """Return the context window of a backend's model, by the backend's own name for it; None if it is not known."""
        found = self._config.backends.get(backend)
        if found is None:
            return None
        name = model.casefold()
        same = (
            each for each in self._config.models.values() if (each.backend, each.name.casefold()) == (backend, name)
        )
        configured = next((each.context_window for each in same if each.context_window is not None), None)
        if configured is not None:
            return configured
        info = find(self._resolver.known_list(found, credential), model)
        return self._profiles.limits(backend, model, None if info is None else info.context_window)[0]

    def _auto(self, credential: Secret | None, scope: KeyScope) -> Iterator[PublishedModel]:
        """Yield the entry for the name of no model; a conversation under it must fit each model that it may get."""
        if self._which.has_auto and any(scope.which.routes.may_take(AUTO)):
            limits = partial(self._limits, credential=credential)
            found = [limits(model) for model in conversation_models(scope.config, AUTO, lambda each: limits(each)[0])]
            yield PublishedModel(
                id=AUTO + MARK,
                display_name=AUTO,
                max_input_tokens=_smallest(window for window, _ in found),
                max_tokens=_smallest(longest for _, longest in found),
            )

    def _configured(self, credential: Secret | None, scope: KeyScope) -> Iterator[PublishedModel]:
        for alias, model in self._config.models.items():
            if not scope.allows(model.backend, model.name):
                continue
            window, longest = self._limits(model, credential)
            yield PublishedModel(
                id=alias + MARK, display_name=model.label or alias, max_input_tokens=window, max_tokens=longest
            )

    def _limits(self, model: Model, credential: Secret | None) -> tuple[int | None, int | None]:
        """Return window and longest answer of a configured model: a configured window holds, a limit may be lowered."""
        info = find(self._resolver.known_list(self._config.backends[model.backend], credential), model.name)
        name, listed = (model.name, None) if info is None else (info.id, info.context_window)
        window, longest = self._profiles.limits(model.backend, name, listed)
        return model.context_window or window, _smallest((model.max_output_tokens, longest))

    def _listed(self, lists: Lists, scope: KeyScope) -> Iterator[PublishedModel]:
        """Yield the backends' models, but for those that a configured name of the same spelling stands for."""
        listing = Counter(name for _, models in lists for name in {info.id for info in models})
        for backend, info in ((backend, info) for backend, models in lists for info in models):
            name = self._name(backend, info.id, is_unique=listing[info.id] == 1)
            if name is not None and scope.allows(backend.name, info.id):
                window, longest = self._profiles.limits(backend.name, info.id, info.context_window)
                yield PublishedModel(
                    id=name + MARK,
                    display_name=name,
                    created=info.created,
                    max_input_tokens=window,
                    max_tokens=longest,
                )

    def _name(self, backend: Backend, model: str, *, is_unique: bool) -> str | None:
        """Return the name that leads to a backend's model: its own, else ``backend/model``; None if it has an entry."""
        meant = self._which.meant(model)
        if meant is not None and meant.alias:
            own = self._config.models[meant.alias]
            if (own.backend, own.name.casefold()) == (backend.name, model.casefold()):
                return None
        is_routed = is_clients_own(model) and any(self._which.routes.may_take(model))
        if meant is None and is_unique and not is_routed:
            return model
        name = f"{backend.name}/{model}"
        return name if self._which.alias(name) is None else None

    async def _lists(self, credential: Secret | None) -> Lists:
        models = self._config.models.values()
        if self._shows_lists or any(self._limits(model, credential)[0] is None for model in models):
            return await self._resolver.lists(credential)
        return []

    @property
    def _shows_lists(self) -> bool:
        """Whether the backends' own models are published."""
        show = self._config.server.list_backend_models
        return not self._config.models if show is None else show


def _smallest(known: Iterable[int | None]) -> int | None:
    """Return the smallest of the numbers that are known, or None."""
    return min((number for number in known if number is not None), default=None)
