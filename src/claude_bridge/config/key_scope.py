"""What the clients of one key may use: which models, and which routes to them (docs/keys.md).

A model is a model of a backend: a key that may use it may do so under each of its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from attrs import evolve, field, frozen

from claude_bridge.config.named_models import NamedModels, which_model
from claude_bridge.config.schema import ClientKey, Config, Route
from claude_bridge.core.errors import ModelNotAllowed
from claude_bridge.core.which_model import WhichModel

_WILDCARD: Final = re.compile(r"[*?]")


@frozen(kw_only=True)
class KeyScope:
    """What the clients of one key may use.

    :ivar name: the name of the ``[key:NAME]``; "" for clients that have none, who may use everything.
    :ivar config: the configuration, but with those routes alone that a request may take, and in them those models alone
        that may answer it.
    :ivar models: the models that may be used, as they are written; None for any.
    :ivar routes: likewise the routes.
    :ivar which: decides with the routes of `config`.
    :ivar has_conditions: whether it looks at more than a model's name.
    """

    config: Config
    name: str = ""
    models: tuple[str, ...] | None = None
    routes: tuple[str, ...] | None = None
    which: WhichModel = field(init=False)
    has_conditions: bool = field(init=False)
    _meant: frozenset[tuple[str, str]] = field(init=False)  # backends and the names of their models, in lower case
    _patterns: tuple[str, ...] = field(init=False)

    @which.default
    def _make_which(self) -> WhichModel:
        return which_model(self.config)

    @has_conditions.default
    def _look_for_conditions(self) -> bool:
        return self.which.routes.has_conditions

    @_meant.default
    def _find_models(self) -> frozenset[tuple[str, str]]:
        found = (each for name in self.models or () for each in _models_of(self.config, self.which, name))
        return frozenset((backend, model.casefold()) for backend, model in found)

    @_patterns.default
    def _find_patterns(self) -> tuple[str, ...]:
        return tuple(_pattern(name) for name in self.models or () if _is_pattern(name))

    def allows(self, backend: str, model: str) -> bool:
        """Return whether a model may be used, by the name of its backend and its own name there."""
        if self.models is None or (backend, model.casefold()) in self._meant:
            return True
        return any(fnmatchcase(f"{backend}/{model}".casefold(), pattern) for pattern in self._patterns)

    def refusal(self, name: str) -> ModelNotAllowed:
        """Return the error for a request that asks for a model by this name, with what may be used instead."""
        allowed = [
            f"{what} {', '.join(names)}" for what, names in (("models", self.models), ("routes", self.routes)) if names
        ]
        return ModelNotAllowed(
            f"model: {name} leads to nothing that the key {self.name} may use, which is limited to the "
            f"{' and the '.join(allowed)}",
            should_retry=False,
        )


@frozen
class KeyScopes:
    """The scopes of all keys of one configuration."""

    _config: Config
    _open: KeyScope = field(init=False)
    _limited: Mapping[str, KeyScope] = field(init=False)

    @_open.default
    def _make_open(self) -> KeyScope:
        return KeyScope(config=self._config)

    @_limited.default
    def _make_limited(self) -> Mapping[str, KeyScope]:
        keys = self._config.keys.values()
        return {key.name: _scope(self._config, key) for key in keys if not (key.models is None and key.routes is None)}

    def of(self, client: str) -> KeyScope:
        """Return the scope of the key of this name; that of clients without a key for ""."""
        return self._limited.get(client, self._open)


def fits_something(config: Config, which: WhichModel, name: str) -> bool:
    """Return whether an entry of a key's ``models`` can mean anything; ``which`` decides for this configuration.

    A pattern must fit a configured name, or may begin with a backend and a slash.
    """
    if any(_models_of(config, which, name)):
        return True
    literal = _WILDCARD.split(name, maxsplit=1)[0].casefold()
    in_front = [f"{each}/".casefold() for each in config.backends]
    return _is_pattern(name) and any(each.startswith(literal) or literal.startswith(each) for each in in_front)


def _scope(config: Config, key: ClientKey) -> KeyScope:
    """Return what a limited key may use. A route without any model for it is none that its requests take."""
    every = KeyScope(config=config, name=key.name, models=key.models, routes=key.routes)
    taken = (route for route in config.routes.values() if key.routes is None or route.name in key.routes)
    routes = (evolve(route, models=tuple(_allowed(every, route))) for route in taken)
    return evolve(every, config=evolve(config, routes={route.name: route for route in routes if route.models}))


def _allowed(scope: KeyScope, route: Route) -> Iterator[str]:
    """Yield those names of a route's models that may be used."""
    named = NamedModels(scope.config)
    for name in route.models:
        meant = scope.which.meant(name)
        if meant is not None:  # always: the configuration was checked
            model = named.model(meant)
            if scope.allows(model.backend, model.name):
                yield name


def _models_of(config: Config, which: WhichModel, name: str) -> Iterator[tuple[str, str]]:
    """Yield backend and name of each model that the configuration has for an entry of a key's ``models``."""
    if _is_pattern(name):
        pattern = _pattern(name)
        yield from (
            (model.backend, model.name)
            for alias, model in config.models.items()
            if fnmatchcase(alias.casefold(), pattern)
        )
    else:
        meant = which.meant(name)
        if meant is not None:
            model = NamedModels(config).model(meant)
            yield model.backend, model.name


def _is_pattern(name: str) -> bool:
    return _WILDCARD.search(name) is not None


def _pattern(name: str) -> str:
    """Return an entry as a pattern in which only ``*`` and ``?`` have a meaning."""
    return name.casefold().replace("[", "[[]")
