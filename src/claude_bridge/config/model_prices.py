"""The prices that a configuration has for models, by the names of `[price:*]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from claude_bridge.config.schema import Config
from claude_bridge.core.model_names import as_spelled, pin
from claude_bridge.core.prices import Price


@frozen
class Priced:
    """What the NAME of a ``[price:NAME]`` means.

    :ivar backend: "" where the price holds for the model at every backend.
    :ivar model: the backend's own name.
    """

    backend: str
    model: str


def meaning(config: Config, name: str) -> Priced:
    """Return what a NAME means: the model of an alias, else ``backend/model``, else a backend's own name."""
    alias = as_spelled(name, config.models)
    if alias is not None:
        return Priced(config.models[alias].backend, config.models[alias].name)
    pinned = pin(name, config.backends) if "/" in name else None
    return Priced("", name) if pinned is None else Priced(*pinned)


def known_names(config: Config) -> Iterator[str]:
    """Yield the names that a price may have, as far as the configuration knows them: aliases, then backends' own."""
    yield from config.models
    yield from (model.name for model in config.models.values())
    for route in config.routes.values():
        pins = (pin(name, config.backends) for name in route.models if name not in config.models)
        yield from (pinned[1] for pinned in pins if pinned is not None)


def by_precedence(config: Config) -> list[str]:
    """Return the NAMEs of the prices, those of aliases first: of two for the same model the first holds."""
    return sorted(config.prices, key=lambda name: as_spelled(name, config.models) is None)


@define
class ConfiguredPrices:
    """Looks prices up by backend and the backend's own name of the model, whatever its case."""

    _config: Config
    _found: Mapping[tuple[str, str], Price] = field(init=False)

    @_found.default
    def _sort(self) -> Mapping[tuple[str, str], Price]:
        """Return the prices by backend, "" for every one, and model."""
        found: dict[tuple[str, str], Price] = {}
        for name in by_precedence(self._config):
            meant = meaning(self._config, name)
            found.setdefault((meant.backend, meant.model.casefold()), self._config.prices[name].price)
        return found

    def find(self, backend: str, model: str) -> Price | None:
        """Return the price of a backend's model, or None."""
        folded = model.casefold()
        found = self._found.get((backend, folded))
        return self._found.get(("", folded)) if found is None else found
