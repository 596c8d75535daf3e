"""What is known of the prices of models before they answer: from the daemon's sources, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import maybeDeferred

from claude_bridge.config.model_prices import ConfiguredPrices, meaning
from claude_bridge.config.schema import Backend, Config
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.prices import Price
from claude_bridge.services.accounting.library_prices import LibraryPrices
from claude_bridge.services.accounting.prices import ListedPrices, PriceFrom, Pricing

_TELL_THEIR_COST: Final = frozenset({"openrouter", "xai"})
"""Dialects whose answers say what they cost."""


@define(eq=False)
class KnownPrices:
    """Knows prices for one configuration."""

    _config: Config
    _listed: ListedPrices = field(factory=ListedPrices, init=False)
    _library: LibraryPrices = field(factory=lambda: LibraryPrices(maybeDeferred), init=False)
    _pricing: Pricing = field(init=False)

    @_pricing.default
    def _make_pricing(self) -> Pricing:
        return Pricing(ConfiguredPrices(self._config), self._listed, self._library)

    @property
    def has_library(self) -> bool:
        """Whether the package genai-prices is installed, as far as it was needed."""
        return not self._library.absent

    def has_budget(self, backend: Backend, model: str) -> bool:
        """Return whether a budget in dollars is for a model by the backend's own name."""
        budgets = [each for each in self._config.budgets.values() if each.amount is not None]
        limited = [meaning(self._config, each.for_.name) for each in budgets if each.for_.kind == "model"]
        return any((each.backend, each.model.casefold()) == (backend.name, model.casefold()) for each in limited)

    def learn(self, backend: Backend, models: Sequence[ModelInfo]) -> None:
        """Store the prices of a backend's list."""
        self._listed.learn(backend, models)

    def price(self, backend: Backend, model: str) -> tuple[Price | None, PriceFrom]:
        """Return the price of a model by the backend's own name, and who says so; the package takes a second."""
        self._pricing.expect(backend, model)
        return self._pricing.price(backend, model)


def tells_its_cost(dialect: str) -> bool:
    """Return whether answers of servers of a dialect say what they cost, which comes before a list."""
    return dialect in _TELL_THEIR_COST
