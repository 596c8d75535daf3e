"""Reads the ledger: sums by model, backend, key, day or hour; sessions and agents; every attempt."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, get_args

from attrs import field, frozen

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.batch import DAY, HOUR
from claude_bridge.services.accounting.store.counts import Counts

By = Literal["model", "backend", "key", "session", "agent", "day", "hour"]
BY: Final[tuple[By, ...]] = get_args(By)

ALL: Final = 2**31 - 1
"""The limit of rows that is none."""

NO_END: Final = 10**8 * DAY
"""The end of a period that has none, in Unix milliseconds; a whole day."""

_LAST_CHARACTER: Final = "\U0010ffff"


@frozen(kw_only=True)
class Row:
    """The sums of one thing.

    :ivar what: its names, by the words that `--by` has for them: a model has a backend too.
    :ivar first: when it was first used, in Unix milliseconds; None where that says nothing.
    :ivar last: when it was last used.
    :ivar parent: the agent that started an agent; "" if that was the main conversation.
    """

    what: dict[str, str] = field(factory=dict)
    figures: Counts
    first: int | None = None
    last: int | None = None
    parent: str = ""


def total(rows: Iterable[Row]) -> Counts:
    """Return the sum of some rows."""
    found = Counts()
    for row in rows:
        found.add(row.figures)
    return found


def rows(
    connection: sqlite3.Connection,
    since: int,
    by: By,
    limit: int = ALL,
    *,
    until: int = NO_END,
    key: str | None = None,
) -> list[Row]:
    """Return the sums from ``since`` to before ``until``, in Unix milliseconds, which are whole hours.

    Only those of ``key`` if it is named. Sessions and agents are those that began before the end and were used after
    the beginning, each as a whole, the last ``limit`` of them, the last one first. Of the others those that cost most
    come first, days and hours in their order.
    """
    whose = () if key is None else (key,)
    if by == "session":
        statement = sql.SESSIONS_OF_KEY if whose else sql.SESSIONS
        return [_session(values) for values in connection.execute(statement, (since, until, *whose, limit))]
    if by == "agent":
        statement = sql.AGENTS_OF_KEY if whose else sql.AGENTS
        return [_agent(values) for values in connection.execute(statement, (since, until, *whose, limit))]
    table, unit = ("hour", HOUR) if by == "hour" or since % DAY or until % DAY else ("day", DAY)
    statement = sql.sums(table, by, of_key=bool(whose))
    found = [_sums(by, values) for values in connection.execute(statement, (since // unit, until // unit, *whose))]
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


def attempts(
    connection: sqlite3.Connection,
    since: int,
    *,
    until: int = NO_END,
    key: str | None = None,
    session: str | None = None,
) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the columns and the rows of all attempts of requests that began in a period, as the view has them.

    The view is ``attempts``; the period is from ``since`` to before ``until``, in Unix milliseconds. ``key``,
    ``session``: only those of a key, of a session.
    """
    statement = sql.export(of_key=key is not None, of_session=session is not None)
    cursor = connection.execute(statement, [since, until, *(each for each in (key, session) if each is not None)])
    return [column for column, *_ in cursor.description], iter(cursor)


def _figures(values: tuple[int, ...]) -> Counts:
    return Counts(**{name: value or 0 for name, value in zip(sql.SUMS, values, strict=True)})


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
