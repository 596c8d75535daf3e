"""The budgets of a configuration as the bridge keeps them: with their time zones, and models by backend and name."""

from __future__ import annotations

from claude_bridge.config.budget_values import route_of, zone
from claude_bridge.config.model_prices import meaning
from claude_bridge.config.schema import Budget, Config
from claude_bridge.core.budgets import Limit, Meter, Unit
from claude_bridge.core.prices import DOLLAR


def limits(config: Config) -> tuple[Limit, ...]:
    """Return the budgets in the order of the file."""
    return tuple(_limit(config, each) for each in config.budgets.values())


def fallback_routes(config: Config) -> frozenset[str]:
    """Return the names of the routes that are taken when a budget is spent."""
    return frozenset(name for each in config.budgets.values() if (name := route_of(each.then)))


def _limit(config: Config, budget: Budget) -> Limit:
    unit, amount = _amount(budget)
    return Limit(
        name=budget.name,
        scope=budget.for_,
        meter=_meter(config, budget),
        unit=unit,
        amount=amount,
        warn=budget.warn,
        fallback=route_of(budget.then),
    )


def _amount(budget: Budget) -> tuple[Unit, int]:
    """Return the unit of a budget, and its amount in pico-dollars or tokens."""
    if budget.amount is not None:
        return "usd", int(budget.amount * DOLLAR)
    assert budget.tokens is not None  # noqa: S101 - for the type checker; the rules of the file want one of the two
    return "tokens", budget.tokens


def _meter(config: Config, budget: Budget) -> Meter:
    kind, name = budget.for_.kind, budget.for_.name
    what: tuple[str, ...] = (name,) if kind == "key" else ()
    if kind == "model":
        meant = meaning(config, name)
        what = meant.backend, meant.model.casefold()
    if kind in {"session", "agent"}:  # one is no longer than the other
        return Meter(kind, what, "session", "UTC", zone("UTC"))
    return Meter(kind, what, budget.per or "session", budget.timezone, zone(budget.timezone))
