"""The models of a configuration by the names that clients and routes use for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from attrs import evolve, frozen

from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.routing import DEFAULT, Condition, RouteTable
from claude_bridge.core.which_model import Meant, WhichModel


@frozen(kw_only=True)
class RoutedModel:
    """A model that a route names as ``backend/model``, and that has no section.

    :ivar name: its name at the backend.
    :ivar route: the name of the route.
    :ivar written: what the route has for it.
    :ivar models: everything that the route has.
    """

    name: str
    route: str
    written: str
    models: tuple[str, ...]

    def models_with(self, name: str) -> tuple[str, ...]:
        """Return the models of the route with another name at the backend in its place."""
        instead = self.written.removesuffix(self.name) + name
        return tuple(instead if each == self.written else each for each in self.models)


@frozen
class NamedModels:
    """Looks names up in one configuration."""

    _config: Config

    @property
    def home(self) -> Backend | None:
        """Return the backend of a name that nothing else takes: the one called ``default``, else the only one."""
        backends = self._config.backends
        return backends.get(DEFAULT_BACKEND) or (next(iter(backends.values())) if len(backends) == 1 else None)

    def model(self, meant: Meant) -> Model:
        """Return the model that a name means."""
        return self._config.models[meant.alias] if meant.alias else self.at(meant.backend, meant.model)

    def at(self, backend: str, name: str) -> Model:
        """Return a backend's model, with the settings of its section, found in any case; else with the defaults."""
        own = [model for model in self._config.models.values() if model.backend == backend]
        for model in own:
            if model.name == name:
                return model
        folded = name.casefold()
        same = next((model for model in own if model.name.casefold() == folded), None)
        return Model(alias=name, backend=backend, name=name) if same is None else evolve(same, name=name)


def routed_models(config: Config, backend: str) -> tuple[RoutedModel, ...]:
    """Return the models of a backend that only routes name, in their order."""
    which, named = which_model(config), NamedModels(config)
    found: list[RoutedModel] = []
    for route in config.routes.values():
        for written in route.models:
            meant = which.meant(written)
            if meant is None or meant.alias or meant.backend != backend:
                continue
            if named.at(backend, meant.model).alias not in config.models:
                found.append(RoutedModel(name=meant.model, route=route.name, written=written, models=route.models))
    return tuple(dict.fromkeys(found))


def section_of(config: Config, model: Model) -> str:
    """Return the name of the model's section in the file, ``[model:NAME]``; "" if it has none there."""
    own = config.models.get(model.alias)
    if own is None or own.backend != model.backend:
        return ""
    variables = config.source.partition(" with ")[2].split(", ")
    default = config.routes.get(DEFAULT)
    by_variable = "MODEL" in variables and default is not None and default.models == (model.alias,)
    return "" if by_variable else model.alias


def conversation_models(config: Config, name: str, window_of: Callable[[Model], int | None]) -> tuple[Model, ...]:
    """Return the models that a conversation under this name has to fit: the first of each route that may take it.

    That of a route for side jobs alone is none of them. Neither is a model that never sees a long prompt, because a
    route for long ones comes before it and takes over within its window, to a model whose window is known.

    :param window_of: returns the window of a model in tokens, or None.
    """
    which, named = which_model(config), NamedModels(config)
    found: list[Model] = []
    taken_over = inf  # tokens of the shortest prompt that an earlier route takes because of its length
    for first, when in _firsts(config, which, name):
        kinds = [each for each in when if each.word != "background"]
        if kinds or not when:
            model = named.model(first)
            window = window_of(model)
            if (window or 0) < taken_over:
                found.append(model)
            if window is not None:
                taken_over = min((taken_over, *(each.tokens for each in kinds if each.word == "long_context")))
    return tuple(dict.fromkeys(found))


def _firsts(config: Config, which: WhichModel, name: str) -> Iterator[tuple[Meant, Sequence[Condition]]]:
    """Yield what a name may lead to first, in order, each with the kinds of requests for which it does."""
    meant = which.meant(name)
    if meant is None or meant.alias:
        for rule in which.routes.may_take(name, is_alias=meant is not None):
            first = which.meant(config.routes[rule.name].models[0])
            if first is not None:  # always: the configuration was checked
                yield first, rule.when
            if not rule.when:
                return
    if meant is not None:
        yield meant, ()


def which_model(config: Config) -> WhichModel:
    """Return the rules by which a configuration's names and routes lead to models."""
    return WhichModel(config.models, config.backends, RouteTable(tuple(config.routes.values())))
