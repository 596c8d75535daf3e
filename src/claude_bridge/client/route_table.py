"""The routes and names of a configuration as text: what `claude-bridge routes` prints.

Pure: no daemon is asked, so what only backends know, such as their lists of models, is said in words.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import fields

from claude_bridge.config.budget_values import route_of
from claude_bridge.config.dump import show
from claude_bridge.config.named_models import NamedModels, which_model
from claude_bridge.config.schema import Config, Model, Route
from claude_bridge.core.routing import DEFAULT

WIDTH: Final = 80

_HEADINGS: Final = ("ROUTE", "MATCH", "WHEN", "MODELS", "LIMITS")
_SHOWN: Final = frozenset({"name", "match", "when", "models"})
"""Keys of a route with a column of their own; what else is set is shown under `LIMITS`."""


def route_table(config: Config) -> str:
    """Return the routes in the order in which they are tried, the configured names, and what other names lead to."""
    parts = [_routes(config), _names(config), *(paragraph(each) for each in _other_names(config))]
    return "\n\n".join(part for part in parts if part) + "\n"


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return lines with the cells of ``rows`` in aligned columns; columns without any text are left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)).rstrip()
        for row in rows
    ]


def paragraph(text: str, indent: str = "", hanging: str = "") -> str:
    """Return a text in lines of `WIDTH`; ``hanging`` goes in front of every line but the first."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def described(model: Model) -> str:
    """Return where a model is: ``backend/model``."""
    return f"{model.backend}/{model.name}"


def unrouted(config: Config, name: str) -> str:
    """Return what happens to a name that neither a route nor a backend's list takes, as a sentence."""
    home = NamedModels(config).home
    if home is None:
        return (
            f"There is more than one backend, so {name} is refused with 404. Give [route:default] a "
            "model to change that."
        )
    return (
        f"If backend {home.name} lists exactly one model, that one answers for {name}; else {name} is sent to it as "
        "it is."
    )


def _routes(config: Config) -> str:
    rules = which_model(config).routes.in_order
    if not rules:
        return "There are no routes."
    found = [_cells(config, config.routes[rule.name]) for rule in rules]
    headings = [heading if any(any(row[index]) for row in found) else "" for index, heading in enumerate(_HEADINGS)]
    rows = [headings]
    for cells in found:
        height = max(map(len, cells))
        rows += [[cell[line] if line < len(cell) else "" for cell in cells] for line in range(height)]
    return "\n".join(columns(rows))


def _cells(config: Config, route: Route) -> list[list[str]]:
    """Return the cells of one route; each value has a line of its own."""
    return [
        [route.name],
        list(route.match),
        [*map(str, route.when), *_otherwise(config, route)],
        [_model(config, name) for name in route.models],
        list(_limits(route)),
    ]


def _otherwise(config: Config, route: Route) -> Iterator[str]:
    """Yield what leads to a route beside its own conditions."""
    if route.name == DEFAULT and not route.when:
        yield "any other request"
    for budget in config.budgets.values():
        if route_of(budget.then) == route.name:
            yield f"budget {budget.name} is spent"


def _model(config: Config, name: str) -> str:
    meant = which_model(config).meant(name)
    return f"{name} = {described(config.models[meant.alias])}" if meant is not None and meant.alias else name


def _limits(route: Route) -> Iterator[str]:
    """Yield the other keys of a route that are not as they are by default."""
    for key in fields(Route):
        value = getattr(route, key.name)
        if key.name not in _SHOWN and value != key.default:
            yield f"{key.name} {show(value, key)} {key.metadata.get('unit', '')}".rstrip()


def _names(config: Config) -> str:
    """Return the configured names, with the routes that take them instead."""
    if not config.models:
        return ""
    rows = [
        [
            alias,
            described(model),
            "" if model.context_window is None else f"window {model.context_window}",
            ", ".join(_routes_of(config, alias)),
        ]
        for alias, model in config.models.items()
    ]
    return "\n".join(("Configured names, each of which means its model:", *columns(rows, "  ")))


def _routes_of(config: Config, alias: str) -> Iterator[str]:
    """Yield the routes whose patterns fit a configured name, up to the first that takes it whatever is asked."""
    for rule in which_model(config).routes.may_take(alias, is_alias=True):
        yield f"but route {rule.name}" + (f" when {', '.join(map(str, rule.when))}" if rule.when else "")


def _other_names(config: Config) -> Iterator[str]:
    """Yield sentences about the names that are not configured."""
    names = ", ".join(config.backends)
    yield (
        f"BACKEND/MODEL or BACKEND,MODEL goes to that backend ({names}), and so does a name that a backend lists. No "
        "route is asked for these."
    )
    if not config.routes:
        yield unrouted(config, "any other name")
        return
    yield (
        "Every other name takes the first route that fits. Where one takes auto, opus, sonnet, haiku, fable or a "
        "claude-* id, the backends' lists are not asked for it."
    )
    if DEFAULT not in config.routes:
        yield f"No route takes the rest. {unrouted(config, 'a name')}"
