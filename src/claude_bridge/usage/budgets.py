"""How much of the budgets is spent, from the ledger's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from claude_bridge.config.fields import FORWARDED_KEY
from claude_bridge.core.budget_periods import period, shown
from claude_bridge.core.budgets import NOTHING, Amounts, Limit, Use, Who
from claude_bridge.core.prices import in_dollars
from claude_bridge.services.accounting.store.spending import Answer, Question, Span, spent
from claude_bridge.usage.tables import printable

MAX_READ: Final = 10_000
"""Sessions, and agents, among which those are found that have spent most."""

SHOWN: Final = 5
"""Sessions or agents that are shown of each budget."""

_HEAD: Final = ("budget", "for", "spent", "of", "", "starts again")


@frozen(kw_only=True)
class Line:
    """What is spent of a budget by one spender.

    :ivar who: key and session, or key, session and agent; nothing where there is but one spender, or none yet. A client
        without a ``[key:NAME]`` has the key "".
    :ivar unpriced: attempts at a price that is not known, which come on top of what is spent in dollars; 0 for tokens.
    :ivar ends: Unix seconds at which it starts again; None if it never does.
    """

    limit: Limit
    who: tuple[str, ...]
    spent: int
    unpriced: int = 0
    ends: float | None


def spent_of(limits: Sequence[Limit], connection: sqlite3.Connection | None, now: float) -> list[Line]:
    """Return what is spent; of the budgets for sessions and agents by those that have spent most.

    ``connection``: None if nothing was recorded yet.
    """
    periods = {limit.meter: period(limit.meter.per, now, limit.meter.zone) for limit in limits}
    spans = {Span.of(span) for meter, span in periods.items() if meter.per != "session"}
    question = Question(tuple(sorted(spans)), MAX_READ)
    answer = Answer({span: [] for span in spans}, {}) if connection is None else spent(connection.cursor(), question)
    found: list[Line] = []
    for limit in limits:
        span = periods[limit.meter]
        if limit.meter.per == "session":
            found += list(_largest(limit, answer)) or [Line(limit=limit, who=(), spent=0, ends=None)]
            continue
        rows = [
            row
            for row in answer.periods[Span.of(span)]
            if limit.meter.who(Use(row.key, "", "", row.backend, row.model.casefold())) is not None
        ]
        used = sum(row.usd if limit.unit == "usd" else row.tokens for row in rows)
        unpriced = sum(row.unpriced for row in rows) if limit.unit == "usd" else 0
        found.append(Line(limit=limit, who=(), spent=used, unpriced=unpriced, ends=span.end))
    return found


def table(lines: Sequence[Line]) -> str:
    """Return a table for a person."""
    if not lines:
        return "there is no [budget:*] in the configuration\n"
    shows_keys = len({each.who[0] for each in lines if each.who}) > 1
    cells = [_HEAD, *(_cells(each, shows_key=shows_keys) for each in lines)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(_HEAD))]
    text = "".join(f"{_line(line, widths)}\n" for line in cells)
    return text + ("?: comes on top, at a price that is not known\n" if any(each.unpriced for each in lines) else "")


def plain(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return plain values; amounts are dollars or tokens, as ``unit`` says."""
    return list(map(_plain, lines))


def _largest(limit: Limit, answer: Answer) -> Iterator[Line]:
    count = 1 if limit.meter.kind == "session" else 2
    own: dict[Who, Amounts] = {}
    unpriced: dict[Who, int] = {}
    for (key, *names), used in answer.sessions.items():
        if len(names) == count:
            who = "" if key == FORWARDED_KEY else key, *names
            own[who] = own.get(who, NOTHING).plus(Amounts(*used))
            if limit.unit == "usd":
                unpriced[who] = unpriced.get(who, 0) + answer.unpriced.get((key, *names), 0)
    for who, amounts in sorted(own.items(), key=lambda each: -each[1].of(limit.unit))[:SHOWN]:
        yield Line(limit=limit, who=who, spent=amounts.of(limit.unit), unpriced=unpriced.get(who, 0), ends=None)


def _plain(line: Line) -> dict[str, Any]:
    limit = line.limit
    names = dict(zip(("key", "session", "agent"), line.who, strict=False))
    amounts = (line.spent, limit.amount)
    spent, of = amounts if limit.unit == "tokens" else map(in_dollars, amounts)
    ends = None if line.ends is None else datetime.fromtimestamp(line.ends, UTC).isoformat().replace("+00:00", "Z")
    return {
        "budget": limit.name,
        "for": str(limit.scope),
        **names,
        "unit": limit.unit,
        "spent": spent,
        "limit": of,
        "unpriced_attempts": line.unpriced,
        "is_spent": line.spent >= limit.amount,
        "resets_at": ends,
    }


def _cells(line: Line, *, shows_key: bool) -> tuple[str, ...]:
    limit, meter = line.limit, line.limit.meter
    unit = "" if limit.unit == "usd" else " tokens"
    key, *names = line.who or ("",)
    if shows_key and key:
        names.append(f"({key})")
    return (
        limit.name,
        printable(" ".join((str(limit.scope), *names))),
        limit.shown(line.spent) + (" + ?" if line.unpriced else ""),
        f"{limit.shown(limit.amount)}{unit}",
        "spent" if line.spent >= limit.amount else f"{100 * line.spent // limit.amount} %",
        "never" if line.ends is None else f"{shown(line.ends, meter.zone, per=meter.per)} ({meter.timezone})",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    placed = (
        cell.rjust(width) if place in {2, 3, 4} else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(placed).rstrip()
