"""Reads the ledger: sums by model, backend, key, day or hour; sessions and agents; every attempt."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, get_args

from attrs import field, frozen

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.booking import DAY, HOUR

By = Literal["model", "backend", "key", "session", "agent", "day", "hour"]
BY: Final[tuple[By, ...]] = get_args(By)

ALL: Final = 2**31 - 1
"""The limit of rows that is none."""

_LAST_CHARACTER: Final = "\U0010ffff"


@frozen(kw_only=True)
class Figures:
    """Sums.

    :ivar requests: requests of clients; `failed` are those that ended with an error.
    :ivar attempts: requests to backends.
    :ivar input: tokens of prompts that were neither read from a cache nor written into one.
    :ivar cost: pico-dollars of the attempts whose price is known, which are `priced`.
    :ivar unpriced: attempts that used tokens at a price that is not known.
    """

    requests: int = 0
    failed: int = 0
    attempts: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    thinking: int = 0
    cost: int = 0
    priced: int = 0
    unpriced: int = 0

    @property
    def prompt(self) -> int:
        """Return the tokens of all prompts."""
        return self.input + self.cache_read + self.cache_write

    @property
    def known_cost(self) -> int | None:
        """Return the cost in pico-dollars, as far as prices are known; None if none is."""
        return self.cost if self.priced else None

    def plus(self, more: Figures) -> Figures:
        """Return the sums of both."""
        return Figures(**{name: getattr(self, name) + getattr(more, name) for name in sql.SUMS})


@frozen(kw_only=True)
class Row:
    """The sums of one thing.

    :ivar what: its names, by the words that `--by` has for them: a model has a backend too.
    :ivar first: when it was first used, in Unix milliseconds; None where that says nothing.
    :ivar last: when it was last used.
    :ivar parent: the agent that started an agent; "" if that was the main conversation.
    """

    what: dict[str, str] = field(factory=dict)
    figures: Figures
    first: int | None = None
    last: int | None = None
    parent: str = ""


def total(rows: Iterable[Row]) -> Figures:
    """Return the sum of some rows."""
    found = Figures()
    for row in rows:
        found = found.plus(row.figures)
    return found


def rows(connection: sqlite3.Connection, since: int, by: By, limit: int = ALL) -> list[Row]:
    """Return the sums from ``since`` on, in Unix milliseconds, of whole hours.

    Sessions and agents are those that were used since then, each as a whole, the last ``limit`` of them, the last one
    first. Of the others those that cost most come first, days and hours in their order.
    """
    if by == "session":
        return [_session(values) for values in connection.execute(sql.SESSIONS, (since, limit))]
    if by == "agent":
        return [_agent(values) for values in connection.execute(sql.AGENTS, (since, limit))]
    table, unit = ("hour", HOUR) if by == "hour" or since % DAY else ("day", DAY)
    found = [_sums(by, values) for values in connection.execute(sql.sums(table, by), (since // unit,))]
    if by in {"day", "hour"}:
        return sorted(found, key=lambda row: row.first or 0)
    return sorted(found, key=lambda row: (-row.figures.cost, -row.figures.prompt - row.figures.output))


def agents_of(connection: sqlite3.Connection, session: str) -> list[Row]:
    """Return the agents of a session, the main conversation among them; of each key that has used it."""
    return [_agent(values) for values in connection.execute(sql.AGENTS_OF, (session,))]


def sessions_like(connection: sqlite3.Connection, beginning: str) -> list[str]:
    """Return some ids of sessions that begin with a text."""
    found = connection.execute(sql.LIKE_SESSION, (beginning, beginning + _LAST_CHARACTER))
    return [text for (text,) in found]


def attempts(connection: sqlite3.Connection, since: int) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the columns and the rows of all attempts of requests since then, as the view ``attempts`` has them."""
    cursor = connection.execute(sql.EXPORT, (since,))
    return [column for column, *_ in cursor.description], iter(cursor)


def _figures(values: tuple[int, ...]) -> Figures:
    return Figures(**{name: value or 0 for name, value in zip(sql.SUMS, values, strict=True)})


def _sums(by: By, values: tuple[Any, ...]) -> Row:
    one, two, *more = values
    figures = _figures(tuple(more))
    if by in {"day", "hour"}:
        return Row(figures=figures, first=int(one) * (DAY if by == "day" else HOUR))
    what: dict[str, str] = {"backend": one, "model": two} if by == "model" else {str(by): one}
    return Row(what=what, figures=figures)


def _session(values: tuple[Any, ...]) -> Row:
    session, key, first, last, *more = values
    return Row(what={"session": session, "key": key}, first=first, last=last, figures=_figures(tuple(more)))


def _agent(values: tuple[Any, ...]) -> Row:
    session, key, _, _, agent, kind, parent, first, last, *more = values
    what = {"session": session, "key": key, "agent": agent, "type": kind}
    return Row(what=what, first=first, last=last, parent=parent, figures=_figures(tuple(more)))
