"""Reads from the ledger what budgets need at the start: what was spent in periods, by sessions and by agents."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from claude_bridge.services.accounting.store import sql

_HOUR: Final = 3_600_000
_LONGEST_REQUEST: Final = 24 * _HOUR
"""Milliseconds from the beginning of a request to that of its last attempt, at most."""


class Question(NamedTuple):
    """What is asked.

    :ivar starts: beginnings of periods that are not over, in Unix milliseconds.
    :ivar sessions: how many sessions and how many agents, those that were used last.
    """

    starts: tuple[int, ...]
    sessions: int


class Spent(NamedTuple):
    """What the attempts of a key at a model have used together.

    :ivar usd: pico-dollars, as far as prices were known.
    :ivar tokens: of prompts and answers.
    """

    backend: str
    model: str
    key: str
    usd: int
    tokens: int


class Answer(NamedTuple):
    """What was spent.

    :ivar periods: start of a period -> sums by backend, model and key.
    :ivar sessions: key and session, or key, session and agent -> pico-dollars and tokens.
    """

    periods: dict[int, list[Spent]]
    sessions: dict[tuple[str, ...], tuple[int, int]]


def spent(cursor: Any, question: Question) -> Answer:  # noqa: ANN401 - of whatever database
    """Return what the ledger knows."""
    periods = {start: _since(cursor, start) for start in question.starts}
    sessions: dict[tuple[str, ...], tuple[int, int]] = {}
    if question.sessions:
        for statement in (sql.SPENT_BY_SESSIONS, sql.SPENT_BY_AGENTS):
            cursor.execute(statement, (question.sessions,))
            sessions.update({tuple(who): (usd, tokens) for usd, tokens, *who in cursor.fetchall()})
    return Answer(periods, sessions)


def _since(cursor: Any, start: int) -> list[Spent]:  # noqa: ANN401 - as above
    """Return the sums of a period: from the hours, and where it begins within one from that hour's attempts."""
    whole = -(-start // _HOUR)
    found = _rows(cursor, sql.SPENT_IN_HOURS, (whole,))
    if start % _HOUR:
        end = whole * _HOUR
        found += _rows(cursor, sql.SPENT_IN_ATTEMPTS, (start - _LONGEST_REQUEST, end, start, end))
    return found


def _rows(cursor: Any, statement: str, values: tuple[int, ...]) -> list[Spent]:  # noqa: ANN401 - as above
    cursor.execute(statement, values)
    return [Spent(*values) for values in cursor.fetchall()]
