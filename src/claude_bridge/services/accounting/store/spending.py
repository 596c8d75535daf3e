"""Reads from the ledger what budgets need at the start: what was spent in periods, by sessions and by agents."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from claude_bridge.core.budget_periods import Period
from claude_bridge.services.accounting.store import sql

_HOUR: Final = 3_600_000
_LONGEST_REQUEST: Final = 24 * _HOUR
"""Milliseconds from the beginning of a request to that of its last attempt, at most."""


class Span(NamedTuple):
    """A period from ``start`` on, before ``end``, in Unix milliseconds."""

    start: int
    end: int

    @classmethod
    def of(cls, period: Period) -> Span:
        """Return a period that is in seconds."""
        return cls(round(period.start * 1000), round(period.end * 1000))


class Question(NamedTuple):
    """What is asked.

    :ivar periods: those that are not over.
    :ivar sessions: how many sessions and how many agents, those that were used last.
    """

    periods: tuple[Span, ...]
    sessions: int


class Spent(NamedTuple):
    """What the attempts of a key at a model have used together.

    :ivar usd: pico-dollars, as far as prices were known.
    :ivar tokens: of prompts and answers.
    :ivar unpriced: how many of the attempts used tokens at a price that is not known.
    """

    backend: str
    model: str
    key: str
    usd: int
    tokens: int
    unpriced: int = 0


class Answer(NamedTuple):
    """What was spent.

    :ivar periods: sums by backend, model and key.
    :ivar sessions: key and session, or key, session and agent -> pico-dollars and tokens.
    :ivar unpriced: as in ``sessions`` -> attempts at a price that is not known; none where there are none.
    """

    periods: dict[Span, list[Spent]]
    sessions: dict[tuple[str, ...], tuple[int, int]]
    unpriced: Mapping[tuple[str, ...], int] = MappingProxyType({})


def spent(cursor: Any, question: Question) -> Answer:  # noqa: ANN401 - of whatever database
    """Return what the ledger knows."""
    periods = {span: _within(cursor, span) for span in question.periods}
    sessions: dict[tuple[str, ...], tuple[int, int]] = {}
    unpriced: dict[tuple[str, ...], int] = {}
    if question.sessions:
        for statement in (sql.SPENT_BY_SESSIONS, sql.SPENT_BY_AGENTS):
            cursor.execute(statement, (question.sessions,))
            for usd, tokens, attempts, *who in cursor.fetchall():
                sessions[tuple(who)] = usd, tokens
                if attempts:
                    unpriced[tuple(who)] = attempts
    return Answer(periods, sessions, unpriced)


def _within(cursor: Any, span: Span) -> list[Spent]:  # noqa: ANN401 - as above
    """Return the sums of a period: from the hours, and where it begins or ends within one from that hour's attempts.

    What is later was booked while a clock was ahead.
    """
    first, last = -(-span.start // _HOUR), span.end // _HOUR
    if first > last:
        return _in_part_of_hour(cursor, span)
    found = _rows(cursor, sql.SPENT_IN_HOURS, (first, last))
    found += _in_part_of_hour(cursor, Span(span.start, first * _HOUR))
    return found + _in_part_of_hour(cursor, Span(last * _HOUR, span.end))


def _in_part_of_hour(cursor: Any, span: Span) -> list[Spent]:  # noqa: ANN401 - as above
    """Return the sums of a part of an hour; nothing is read if nothing was used in it, as in most that are to come."""
    start, end = span
    hour = start // _HOUR
    if start == end or not _rows(cursor, sql.SPENT_IN_HOURS, (hour, hour + 1)):
        return []
    return _rows(cursor, sql.SPENT_IN_ATTEMPTS, (start - _LONGEST_REQUEST, end, start, end))


def _rows(cursor: Any, statement: str, values: tuple[int, ...]) -> list[Spent]:  # noqa: ANN401 - as above
    cursor.execute(statement, values)
    return [Spent(*values) for values in cursor.fetchall()]
