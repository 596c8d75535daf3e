"""How the values of ``[budget:*]`` are written: scopes, amounts, time zones, and what follows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Final, cast, get_args

from claude_bridge.config.problems import nearest, not_allowed, suggestion
from claude_bridge.core.budget_periods import Per
from claude_bridge.core.budgets import NAMED, Scope, ScopeKind

REFUSE: Final = "refuse"
EVERY: Final[tuple[Per, ...]] = ("hour", "day", "week", "month")
"""When a budget starts again that is not for each session or agent."""

EVERY_SHOWN: Final = f"{', '.join(EVERY[:-1])} or {EVERY[-1]}"
_ROUTE: Final = "route"
_SCOPES: Final = get_args(ScopeKind)
_DOLLARS: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_PERCENT: Final = re.compile(r"(\d{1,3})\s*%?", re.ASCII)
_UTC: Final = "UTC"
_WHOLE: Final = 100


def scope(text: str) -> Scope:
    """Read whom a budget is for: ``all``, ``key NAME``, ``session``, ``agent`` or ``model NAME``."""
    word, _, name = text.partition(" ")
    name = name.strip()
    if word not in _SCOPES:
        raise ValueError(not_allowed(word, _SCOPES))
    kind = cast(ScopeKind, word)
    if kind == "key" and ("," in name or " " in name):
        raise ValueError("key takes the name of one key: each further key needs a [budget:*] of its own")
    if kind in NAMED and (not name or " " in name):
        raise ValueError(f"needs the name of a {kind}: {kind} NAME")
    if kind not in NAMED and name:
        raise ValueError(f"{kind} takes no name")
    return Scope(kind, name)


def dollar_amount(text: str) -> Decimal:
    """Read an amount of dollars."""
    if not _DOLLARS.fullmatch(text) or not Decimal(text):
        raise ValueError("must be an amount of dollars above 0, such as 5.00, without a sign of the currency")
    return Decimal(text)


def how_often(text: str) -> Per:
    """Read when a budget starts again: ``hour``, ``day``, ``week``, ``month``, or ``session`` for never."""
    if text not in get_args(Per):
        near = nearest(text, EVERY)
        told = f"must be {EVERY_SHOWN}, and is left out with for = session or agent"
        raise ValueError(f"did you mean {near}? ({told})" if near else told)
    return cast(Per, text)


def percent(text: str) -> int:
    """Read a part in percent; the sign may be missing."""
    match = _PERCENT.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= _WHOLE:
        raise ValueError("must be from 1 to 100 %")
    return int(match[1])


def end(text: str) -> str:
    """Read what follows when a budget is spent: ``refuse``, or ``route NAME``.

    Another single word is returned as it is, for the rules of the file know the routes, and `wrong_end` the message.
    """
    word, _, name = text.partition(" ")
    name = name.strip()
    if word not in {REFUSE, _ROUTE}:
        if name or not word or nearest(word, (REFUSE, _ROUTE)):
            raise ValueError(not_allowed(word, (REFUSE, _ROUTE)))
        return word
    if word == REFUSE:
        if name:
            raise ValueError("refuse takes no name")
        return REFUSE
    if not name or " " in name:
        raise ValueError("route needs the name of one [route:*]: route NAME")
    return f"{_ROUTE} {name}"


def wrong_end(then: str, routes: Iterable[str]) -> str:
    """Return what is wrong with a word that `end` left to the rules; "" if nothing is. ``routes`` are their names."""
    if then == REFUSE or route_of(then):
        return ""
    near = meant_route(then, routes)
    told = f"must be {REFUSE}, or {_ROUTE} and the name of a [route:*]"
    return f"did you mean {_ROUTE} {near}? ({told})" if near else told


def meant_route(then: str, routes: Iterable[str]) -> str:
    """Return the route that a word left to the rules probably means; "" if none is, or if it is no such word."""
    return "" if then == REFUSE or route_of(then) else nearest(then, routes) or ""


def route_of(then: str) -> str:
    """Return the route that ``then`` names, or ""."""
    return then.partition(" ")[2]


def timezone(text: str) -> str:
    """Read the name of a time zone."""
    zone(text)
    return text


def zone(name: str) -> tzinfo:
    """Return a time zone. Raises `ValueError` for a name that this machine does not know."""
    if name == _UTC:
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - 0.3 MB for which few have a use

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    try:
        ZoneInfo("Europe/Berlin")
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError("cannot be looked up: this machine knows no time zones but UTC, install tzdata") from None
    near = suggestion(name, ("Europe/Berlin", "America/New_York", "Asia/Kolkata", _UTC))
    raise ValueError(f"must be the name of a time zone as in the IANA database: {near}")
