"""The models of a configuration by the names that clients and routes use for them."""

from __future__ import annotations

from attrs import evolve, frozen

from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.core.routing import RouteTable
from claude_bridge.core.which_model import Meant, WhichModel


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


def first_models(config: Config, name: str) -> tuple[Model, ...]:
    """Return the models that a name which is routed may lead to first: that of each route which may take it."""
    which, named = which_model(config), NamedModels(config)
    found = [which.meant(config.routes[rule.name].models[0]) for rule in which.routes.may_take(name)]
    return tuple(named.model(meant) for meant in found if meant is not None)


def which_model(config: Config) -> WhichModel:
    """Return the rules by which a configuration's names and routes lead to models."""
    return WhichModel(config.models, config.backends, RouteTable(tuple(config.routes.values())))
