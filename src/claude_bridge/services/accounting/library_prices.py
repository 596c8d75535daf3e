"""Prices out of the package genai-prices, where it is installed (``pip install 'twisted-claude-bridge[prices]'``).

It knows the prices of some two thousand models by their vendors' addresses, as they were when it was released, and asks
nobody. Importing it takes more than half a second, so a thread does that and looks each model up once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.prices import Price, Tier, per_token

PACKAGE: Final = "genai_prices"
MAX_MODELS: Final = 1024
"""Models whose price, or that there is none, is kept."""

MAX_WAITING: Final = 32
"""Look-ups that are not over; more are not begun: each takes ten milliseconds of a thread at most."""

InThread = Callable[[Callable[[], Any]], Deferred[Any]]
Look = Callable[[str, str], Price | None]
"""Returns the price of a model at a vendor's URL, or None; raises `ImportError` if the package is not installed."""

_PARTS: Final[Mapping[str, str]] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}
_VENDORS: Final = "https://"
"""What every vendor's URL begins with: nobody waits for the package where all backends are servers at home."""

_NOT_BY_THE_TOKEN: Final = ("requests_kcount", "input_mchars", "input_text_messages_kcount")


def look_up(url: str, model: str) -> Price | None:
    """Return the price of a model at a vendor's URL, or None.

    None also for one that changes with the hour, or that is not by the token alone: part of a price is none.
    Takes up to a second the first time, 0.1 to 10 ms after that. Raises `ImportError` if the package is not installed.
    """
    library = importlib.import_module(PACKAGE)
    try:
        found = library.calc_price(library.Usage(input_tokens=1, output_tokens=1), model, provider_api_url=url)
    except LookupError:
        return None
    conditions = found.model.prices if isinstance(found.model.prices, list) else ()
    if any(hasattr(each.constraint, "start_time") for each in conditions):
        return None
    return price_of(vars(found.model_price))


def price_of(prices: Mapping[str, Any]) -> Price | None:
    """Return the package's prices of a model, dollars per million tokens with or without tiers, as ours."""
    if any(prices.get(name) is not None for name in _NOT_BY_THE_TOKEN):
        return None
    base: dict[str, int] = {}
    tiers: dict[int, dict[str, int]] = {}
    for part, name in _PARTS.items():
        value = prices.get(name)
        if value is None:
            continue
        rate = per_token(value if isinstance(value, Decimal) else value.base)
        if rate is None:
            return None
        base[part] = rate
        for tier in () if isinstance(value, Decimal) else value.tiers:
            if (higher := per_token(tier.price)) is None:
                return None
            tiers.setdefault(tier.start, {})[part] = higher
    if "input" not in base or "output" not in base:
        return None
    return Price(tiers=tuple(Tier(above=above, **rates) for above, rates in tiers.items()), **base)


@define(eq=False)
class LibraryPrices:
    """Implements `claude_bridge.services.accounting.prices.SlowPrices`.

    :ivar revision: counts the prices that were found.
    :ivar absent: the package is not installed, or does not work.
    """

    _in_thread: InThread
    _look: Look = look_up
    revision: int = field(default=0, init=False)
    absent: bool = field(default=False, init=False)
    _prices: BoundedMap[tuple[str, str], Price | None] = field(factory=lambda: BoundedMap(MAX_MODELS), init=False)
    _waiting: set[tuple[str, str]] = field(factory=set, init=False)
    _log: Logger = field(factory=Logger)

    def find(self, backend: Backend, model: str) -> Price | None:
        """Return the price if it has been found."""
        return self._prices.get((backend.url, model))

    def expect(self, backend: Backend, model: str) -> None:
        """Look for a price, once; `find` has it after that."""
        self.look(backend, model)

    def look(self, backend: Backend, model: str) -> Deferred[None] | None:
        """Begin to look for a price and return a Deferred that fires at the end; None if there is nothing to do."""
        key = backend.url, model
        if (
            not backend.url.startswith(_VENDORS)
            or self.absent
            or key in self._waiting
            or key in self._prices
            or len(self._waiting) >= MAX_WAITING
        ):
            return None
        self._waiting.add(key)
        looking: Deferred[Any] = self._in_thread(lambda: self._look(*key))
        return looking.addCallbacks(lambda price: self._found(key, price), lambda why: self._failed(key, why))

    def _found(self, key: tuple[str, str], price: Price | None) -> None:
        self._waiting.discard(key)
        self._prices.put(key, price)
        if price is not None:
            self.revision += 1

    def _failed(self, key: tuple[str, str], why: Failure) -> None:
        """Note that there is no such package, or a fault in it, which must not become one of ours."""
        self._waiting.discard(key)
        if not self.absent and not why.check(ModuleNotFoundError):
            self._log.warn(
                "the package genai-prices does not work here, so it is not asked any more: {why}",
                event="prices",
                why=why.getErrorMessage(),
            )
        self.absent = True
