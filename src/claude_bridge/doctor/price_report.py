"""What is known of the prices of a configuration's models, and from where: ``claude-bridge usage prices``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from claude_bridge.config.model_prices import ConfiguredPrices, meaning
from claude_bridge.config.schema import Backend, Config
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.model_names import pin
from claude_bridge.core.prices import PARTS, Price, Rates, shown_a_million
from claude_bridge.doctor.command import in_reactor
from claude_bridge.doctor.known_prices import tells_its_cost
from claude_bridge.doctor.services import DoctorServices, make_services
from claude_bridge.services.accounting.prices import PriceFrom

_HEADINGS: Final = ("MODEL", *(part.replace("_", " ").upper() for part in PARTS), "FROM")


@frozen(kw_only=True)
class PricedModel:
    """One model, with what is known of its price.

    :ivar shown: the model as ``backend/model``, with the name that the file has for it, if any.
    :ivar price_from: who says so; "" for nobody.
    :ivar in_answers: the backend's answers say what they cost, which comes before a list.
    :ivar backend: its name; "" for a price that holds at each.
    :ivar name: the backend's own name of the model.
    :ivar alias: the name that the file has for it; "" if it has none.
    """

    shown: str
    price: Price | None
    price_from: PriceFrom
    in_answers: bool = False
    backend: str = ""
    name: str = ""
    alias: str = ""

    @property
    def says_cost(self) -> bool:
        """Whether the accounts have what its answers say that they cost."""
        return self.in_answers and self.price_from != "configuration"

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the lines of a table: one for the price, one for each tier."""
        told: str = self.price_from or "unknown"
        if self.says_cost:
            told = f"answer, else {told}" if self.price_from else "answer"
        if self.price is None:
            yield (self.shown, *("" for _ in PARTS), told)
            return
        yield (self.shown, *_cells(self.price.rates(0)), told)
        for above in sorted({tier.above for tier in self.price.tiers}):
            yield (f"  above {above:,} tokens", *_cells(self.price.rates(above + 1)), "")


def _unknown(backend: str, name: str) -> PricedModel:
    """Return that nothing is known of a model's price."""
    return PricedModel(shown=f"{backend}/{name}", price=None, price_from="", backend=backend, name=name)


@frozen(kw_only=True)
class PriceReport:
    """The answer to the command.

    :ivar models: the configured ones first, then those that only lists have, if they were asked for.
    :ivar look_up: returns a backend's model by its own name, with the price that the bridge's accounts have for it.
    :ivar silent: the backends whose list did not arrive.
    :ivar library: whether the package genai-prices is installed.
    """

    models: tuple[PricedModel, ...]
    look_up: Callable[[str, str], PricedModel] = field(default=_unknown, eq=False, repr=False)
    silent: tuple[str, ...] = ()
    library: bool = False

    def __str__(self) -> str:
        """Return it for people."""
        return "".join(f"{line}\n" for line in (*self._table(), *self._remarks()))

    def pins(self, backends: Iterable[str]) -> Iterator[str]:
        """Yield ``backend/model`` for each model with a price that has no alias, at each backend where it has it."""
        for model in self.models:
            if model.price is not None and not model.alias:
                places = [model.backend] if model.backend else backends
                yield from (f"{place}/{model.name}" for place in places)

    def price_of(self, backend: str, name: str) -> Price | None:
        """Return the price of a backend's model by its own name; None if it is not known."""
        return self.look_up(backend, name).price

    def says_cost(self, backend: str, name: str) -> bool:
        """Return whether the accounts have what the answers of a backend's model say that they cost."""
        return self.look_up(backend, name).says_cost

    def settled_price_of(self, backend: str, name: str) -> Price | None:
        """Return a price as `price_of` does; None where the backend's list, which did not arrive, may have another."""
        model = self.look_up(backend, name)
        return None if backend in self.silent and model.price_from != "configuration" else model.price

    def _table(self) -> Iterator[str]:
        if not self.models:
            yield "no model is configured; --all shows those that the backends list"
            return
        yield "dollars per million tokens"
        rows = [_HEADINGS, *(row for model in self.models for row in model.rows())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for first, *numbers, last in rows:
            cells = (cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True))
            yield "  ".join((first.ljust(widths[0]), *cells, last)).rstrip()

    def _remarks(self) -> Iterator[str]:
        """Yield what would make more of it known."""
        for name in self.silent:
            yield f"backend {name}: its list of models did not arrive, so its prices are not known here"
        if any(model.price is None and not model.in_answers for model in self.models):
            yield "[price:NAME] in the configuration sets a price that is unknown"
            if not self.library:
                yield "the package genai-prices, which knows the prices of many vendors, is not installed"


@define(kw_only=True)
class _Reporter:
    """Collects the prices of one configuration."""

    config: Config
    services: DoctorServices
    shown: set[tuple[str, str]] = field(factory=set)

    def configured(self) -> Iterator[PricedModel]:
        """Yield the models that the file names: by alias, in routes, and in prices alone."""
        config = self.config
        for alias, model in config.models.items():
            yield self._model(config.backends[model.backend], model.name, alias)
        pinned = (pin(name, config.backends) for route in config.routes.values() for name in route.models)
        priced = (meaning(config, name) for name in config.prices)
        for backend, name in (*filter(None, pinned), *((each.backend, each.model) for each in priced)):
            if not backend:
                if all(model.name.casefold() != name.casefold() for model in config.models.values()):
                    price = ConfiguredPrices(config).find("", name)
                    shown = f"{name} at any backend"
                    yield PricedModel(shown=shown, price=price, price_from="configuration", name=name)
            elif (backend, name.casefold()) not in self.shown:
                yield self._model(config.backends[backend], name)

    def listed(self, backend: Backend, models: Sequence[ModelInfo]) -> Iterator[PricedModel]:
        """Yield the other models of a backend's list."""
        for model in models:
            if (backend.name, model.id.casefold()) not in self.shown:
                yield self._model(backend, model.id)

    def look_up(self, backend: str, name: str) -> PricedModel:
        """Return a backend's model by its own name."""
        found = self.config.backends.get(backend)
        return _unknown(backend, name) if found is None else self._priced(found, name)

    def _model(self, backend: Backend, name: str, alias: str = "") -> PricedModel:
        self.shown.add((backend.name, name.casefold()))
        return self._priced(backend, name, alias)

    def _priced(self, backend: Backend, name: str, alias: str = "") -> PricedModel:
        price, price_from = self.services.prices.price(backend, name)
        where = f"{backend.name}/{name}"
        return PricedModel(
            shown=where if alias in {"", where} else f"{alias} = {where}",
            price=price,
            price_from=price_from,
            in_answers=tells_its_cost(self.services.detection.dialect_of(backend).dialect.name),
            backend=backend.name,
            name=name,
            alias=alias,
        )


def price_report(
    config: Config, *, listed: bool = False, run: Callable[[Callable[[Any], Any]], Any] = in_reactor
) -> PriceReport:
    """Return what is known of prices; the backends are asked for their lists.

    ``listed``: show every model of the lists. ``run`` runs a coroutine function that takes a reactor.
    """

    async def work(reactor: Any) -> PriceReport:  # noqa: ANN401 - a reactor is many interfaces
        services = make_services(config, reactor)
        try:
            return await _report(config, services, listed=listed)
        finally:
            await services.close()

    report: PriceReport = run(work)
    return report


async def _report(config: Config, services: DoctorServices, *, listed: bool) -> PriceReport:
    services.lists.on_list = services.prices.learn
    asked = [Deferred.fromCoroutine(_list(services, backend)) for backend in config.backends.values()]
    lists = [(backend, await each) for backend, each in zip(config.backends.values(), asked, strict=True)]
    reporter = _Reporter(config=config, services=services)
    models = [*reporter.configured()]
    if listed:
        models += [model for backend, found in lists for model in reporter.listed(backend, found)]
    return PriceReport(
        models=tuple(models),
        look_up=reporter.look_up,
        silent=tuple(backend.name for backend, found in lists if not found),
        library=services.prices.has_library,
    )


async def _list(services: DoctorServices, backend: Backend) -> tuple[ModelInfo, ...]:
    return await services.lists.fetch(backend, await services.credential(backend, None))


def _cells(rates: Rates) -> Iterator[str]:
    """Yield the prices of all parts."""
    for part in PARTS:
        yield shown_a_million(getattr(rates, part))
