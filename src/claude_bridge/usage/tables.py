"""Figures as text for a person, as JSON, and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.store.figures import By, Row, total
from claude_bridge.usage.period import moment

PICO: Final = 10**12
"""Pico-dollars of a dollar."""

_HEAD: Final = ("requests", "failed", "prompt", "cached", "output", "cost")
_MANY: Final = 100_000
_LARGE: Final = 10 * PICO


def table(rows: Sequence[Row], by: By) -> str:
    """Return a table with a line for each row and one for their sum; of sessions and agents with their last use."""
    lines = [(_name(row, by), row.figures) for row in rows]
    last = ["last used", *(moment(row.last or 0) for row in rows)] if by in {"session", "agent"} else []
    return _table(by, [*lines, ("total", total(rows))] if len(lines) != 1 else lines, last)


def tree(rows: Sequence[Row]) -> str:
    """Return the agents of one session and one key as a tree, with their sum."""
    lines = [
        ("session", total(rows)),
        *((f"{'  ' * depth}{name}", figures) for depth, name, figures in _branches(rows)),
    ]
    return _table("", lines)


def as_json(document: dict[str, Any]) -> str:
    """Return a document with a line break at its end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Row], by: By) -> str:
    """Return the rows with a line of names before them."""
    out = io.StringIO()
    written = [plain(row, by) for row in rows]
    writer = csv.DictWriter(out, list(plain(_empty(by), by)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(written)
    return out.getvalue()


def plain(row: Row, by: By) -> dict[str, Any]:
    """Return a row as plain values: its names, its times in ISO 8601, its figures."""
    times: dict[str, Any] = {}
    if by == "day" and row.first is not None:
        times = {"day": iso(row.first)[:10]}
    elif by == "hour" and row.first is not None:
        times = {"hour": iso(row.first)}
    elif row.first is not None and row.last is not None:
        times = {"first": iso(row.first), "last": iso(row.last)}
    parent = {"parent": row.parent} if "agent" in row.what else {}
    return {**row.what, **parent, **times, **plain_figures(row.figures)}


def _empty(by: By) -> Row:
    """Return a row that has all the names and times that rows by something have."""
    names: dict[str, tuple[str, ...]] = {
        "model": ("backend", "model"),
        "session": ("session", "key"),
        "agent": ("session", "key", "agent", "type"),
        "day": (),
        "hour": (),
    }
    times = 0 if by in {"session", "agent", "day", "hour"} else None
    return Row(what=dict.fromkeys(names.get(by, (by,)), ""), first=times, last=times, figures=Counts())


def plain_figures(figures: Counts) -> dict[str, Any]:
    """Return figures as plain values. A cost that is not known is None."""
    cost = figures.known_cost
    return {
        "requests": figures.requests,
        "failed": figures.failed,
        "attempts": figures.attempts,
        "input_tokens": figures.input,
        "cache_read_tokens": figures.cache_read,
        "cache_write_tokens": figures.cache_write,
        "output_tokens": figures.output,
        "thinking_tokens": figures.thinking,
        "cost_usd": None if cost is None else cost / PICO,
        "unpriced_attempts": figures.unpriced,
    }


def _branches(rows: Sequence[Row]) -> Iterator[tuple[int, str, Counts]]:
    """Yield the agents of a session, each below the one that started it."""
    known = {row.what["agent"] for row in rows if row.what["agent"]}
    started: dict[str, list[Row]] = {}
    for row in rows:
        started.setdefault(row.parent if row.what["agent"] and row.parent in known else "", []).append(row)
    seen: set[str] = set()
    ahead = [(1, row) for row in reversed(started.get("", ()))]
    while ahead:
        depth, row = ahead.pop()
        agent = row.what["agent"]
        seen.add(agent)
        yield depth, _agent(row), row.figures
        if agent:
            ahead += ((depth + 1, each) for each in reversed(started.get(agent, ())))
    for row in rows:  # agents that name each other in a circle
        if row.what["agent"] not in seen:
            seen.add(row.what["agent"])
            yield 1, _agent(row), row.figures


def _agent(row: Row) -> str:
    agent = row.what["agent"]
    return printable(f"{row.what['type'] or 'agent'} {agent}") if agent else "main"


def _name(row: Row, by: By) -> str:
    if row.first is not None and by in {"day", "hour"}:
        return moment(row.first)[:10] if by == "day" else moment(row.first)
    what = row.what
    if by == "model":
        name = f"{what['backend']}/{what['model']}" if what["backend"] else "(no model was asked)"
    elif by == "session":
        name = f"{what['session'] or '(no session)'}{_of(what['key'])}"
    elif by == "agent":
        name = f"{what['session'] or '(no session)'} {_agent(row)}{_of(what['key'])}"
    else:
        name = what[by] or ("(no key)" if by == "key" else "(no backend was asked)")
    return printable(name)


def _of(key: str) -> str:
    return f" ({key})" if key else ""


def _table(head: str, lines: Sequence[tuple[str, Counts]], more: Sequence[str] = ()) -> str:
    """Return a table; ``more`` is the second column from its head on, if there is one."""
    cells = [(head, *_HEAD), *((name, *_cells(figures)) for name, figures in lines)]
    if more:
        padded = (*more, *[""] * (len(cells) - len(more)))
        cells = [(name, column, *rest) for (name, *rest), column in zip(cells, padded, strict=True)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    text = "".join(f"{_line(line, widths)}\n" for line in cells)
    unpriced = lines[-1][1].unpriced if head else lines[0][1].unpriced
    return text + (f"?: the price of {unpriced:,} {_plural('attempt', unpriced)} is not known\n" if unpriced else "")


def _line(cells: Sequence[str], widths: Iterable[int]) -> str:
    name, *numbers = (
        cell.ljust(width) if not place else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([name, *numbers]).rstrip()


def _cells(figures: Counts) -> tuple[str, ...]:
    prompt = figures.prompt
    return (
        f"{figures.requests:,}",
        f"{figures.failed:,}",
        count(prompt),
        f"{100 * figures.cache_read // prompt} %" if prompt else "-",
        count(figures.output),
        cost(figures),
    )


def count(tokens: int) -> str:
    """Return a number of tokens: exact up to a hundred thousand, then in thousands or millions."""
    if tokens < _MANY:
        return f"{tokens:,}"
    return f"{tokens / 1e6:,.1f}M" if tokens >= 10 * _MANY else f"{tokens // 1000}k"


def cost(figures: Counts) -> str:
    """Return a cost in dollars: `unknown` where no price is known, with a question mark where some are not."""
    known = figures.known_cost
    if known is None:
        return "unknown" if figures.unpriced else "-"
    dollars = f"${known / PICO:,.2f}" if known >= _LARGE else f"${known / PICO:.4f}"
    if 0 < known < PICO // 10_000:
        dollars = "<$0.0001"
    return f"{dollars} + ?" if figures.unpriced else dollars


def printable(text: str) -> str:
    """Return a name as a terminal may show it: a client may call a model whatever it likes."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def iso(unix_milliseconds: int) -> str:
    """Return a time in ISO 8601, in UTC."""
    return datetime.fromtimestamp(unix_milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
