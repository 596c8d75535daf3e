"""What an attempt cost, and who says so (docs/prices.md).

In this order: ``[price:*]``, the answer itself, the backend's list of models, genai-prices; else it is unknown, which
is never the same as nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from attrs import define, field, frozen
from twisted.logger import Logger

from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.config.schema import Backend
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.events import Usage
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.prices import Price
from claude_bridge.core.reported_costs import reported_cost

PriceFrom = Literal["configuration", "answer", "list", "genai-prices", ""]
"""Who said what something costs; "" for nobody."""

MAX_PRICED: Final = 1024
"""Models whose price is kept at hand; the least recently used one is looked up again."""

MAX_LISTED: Final = 20_000
"""Models of one backend whose listed price is kept, from the lists under all credentials."""


class Cost(NamedTuple):
    """What something costs.

    :ivar amount: pico-dollars; None if it is unknown.
    """

    amount: int | None = None
    price_from: PriceFrom = ""


UNKNOWN: Final = Cost()


class AttemptPrices(Protocol):
    """Knows what attempts cost."""

    def expect(self, backend: Backend, model: str) -> None:
        """Look for the price of a backend's model, which will soon be asked for, if that takes time."""

    def cost(self, backend: Backend, model: str, usage: Usage | None) -> Cost:
        """Return what the tokens of an attempt cost."""


class NoPrices:
    """Implements `AttemptPrices` where nobody knows a price."""

    def expect(self, backend: Backend, model: str) -> None:
        """Do nothing."""

    def cost(self, backend: Backend, model: str, usage: Usage | None) -> Cost:  # noqa: ARG002 - the seam's shape
        """Return that it is unknown."""
        return UNKNOWN


NO_PRICES: Final = NoPrices()


class SlowPrices(Protocol):
    """A source of prices that takes time, and is asked in advance.

    :ivar revision: changes whenever a price has arrived.
    """

    revision: int

    def expect(self, backend: Backend, model: str) -> None:
        """Look for a price, once."""

    def find(self, backend: Backend, model: str) -> Price | None:
        """Return the price if it has arrived."""


@define(eq=False)
class ListedPrices:
    """The prices in the backends' lists of models. They are the same for everybody, whoever's credential got the list.

    :ivar revision: counts the lists that had prices.
    """

    revision: int = 0
    _prices: dict[tuple[str, str], dict[str, Price]] = field(factory=dict, init=False)
    _told: set[tuple[str, str]] = field(factory=set, init=False)
    _log: Logger = field(factory=Logger)

    def learn(self, backend: Backend, models: Sequence[ModelInfo]) -> None:
        """Store the prices of a list that has arrived, and log once for each backend what was found in it."""
        key = backend.name, backend.url
        prices = {model.id.casefold(): model.listed_price.price for model in models if model.listed_price.price}
        if prices:
            known = self._prices.setdefault(key, {})
            if len(known) > MAX_LISTED:
                known.clear()
            known |= prices
            self.revision += 1
        found = dict.fromkeys(model.listed_price.found for model in models if model.listed_price.found)
        if found and key not in self._told:
            self._told.add(key)
            self._log.info(
                "backend {backend}: its list has a price for {priced} of {models} models: {found}",
                event="listed-prices",
                backend=backend.name,
                priced=len(prices),
                models=len(models),
                found="; ".join(tuple(found)[:3]),
            )

    def find(self, backend: Backend, model: str) -> Price | None:
        """Return the price of a backend's model, or None."""
        prices = self._prices.get((backend.name, backend.url))
        return None if prices is None else prices.get(model.casefold())


@frozen
class _Known:
    """What was looked up for a model, and at which revisions of the sources."""

    price: Price | None
    price_from: PriceFrom
    listed: int
    slow: int


@define(eq=False)
class Pricing:
    """Implements `AttemptPrices` for one configuration.

    :param slow: None where there is no such source.
    """

    _configured: ConfiguredPrices
    _listed: ListedPrices
    _slow: SlowPrices | None = None
    _known: BoundedMap[tuple[str, str], _Known] = field(factory=lambda: BoundedMap(MAX_PRICED), init=False)

    def expect(self, backend: Backend, model: str) -> None:
        """Look for the price of a model in the slow source, if no other has it."""
        if self._slow is not None and self._lookup(backend, model).price is None:
            self._slow.expect(backend, model)

    def cost(self, backend: Backend, model: str, usage: Usage | None) -> Cost:
        """Return what the tokens of an attempt cost."""
        if usage is None:
            return UNKNOWN
        known = self._lookup(backend, model)
        if known.price_from != "configuration" and usage.raw:
            told = reported_cost(usage.raw)
            if told is not None:
                return Cost(told, "answer")
        return UNKNOWN if known.price is None else Cost(known.price.cost(usage), known.price_from)

    def price(self, backend: Backend, model: str) -> tuple[Price | None, PriceFrom]:
        """Return what is known of a model's price before it answers, and from where."""
        known = self._lookup(backend, model)
        return known.price, known.price_from

    def _lookup(self, backend: Backend, model: str) -> _Known:
        key = backend.name, model
        known = self._known.get(key)
        slow = 0 if self._slow is None else self._slow.revision
        if known is None or (known.listed, known.slow) != (self._listed.revision, slow):
            price, price_from = self._find(backend, model)
            known = _Known(price, price_from, self._listed.revision, slow)
            self._known.put(key, known)
        return known

    def _find(self, backend: Backend, model: str) -> tuple[Price | None, PriceFrom]:
        if (price := self._configured.find(backend.name, model)) is not None:
            return price, "configuration"
        if (price := self._listed.find(backend, model)) is not None:
            return price, "list"
        if self._slow is not None and (price := self._slow.find(backend, model)) is not None:
            return price, "genai-prices"
        return None, ""
