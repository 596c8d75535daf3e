"""Every statement that the ledger sends to its database, in the SQL that SQLite and PostgreSQL share.

What differs between them, the tables and the connection, is beside this module (`sqlite`). ``?`` stands for a value.
"""

# ruff: noqa: S608 - every text is put together from constants of this module alone

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from claude_bridge.services.accounting.store.entries import ANSWERED, AUXILIARY, SEVERAL_OWNERS

SUMS: Final = (
    *("requests", "failed", "attempts"),
    *("input", "cache_read", "cache_write", "output", "thinking"),
    *("cost", "priced", "unpriced"),
)
"""The columns of each table of sums, in their order."""

_SUMS: Final = ", ".join(SUMS)
TOTALS: Final = ", ".join(f"sum({name})" for name in SUMS)
_SUMMED: Final = ", ".join(f"sum({name}) AS {name}" for name in SUMS)


def _more(table: str) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)


def _less() -> str:
    return ", ".join(f"{name} = {name} - ?" for name in SUMS)


def _added(table: str, columns: str, unique: str, more: str = "") -> str:
    """Return the statement that adds sums to a row, or makes it."""
    values = ", ".join("?" for _ in (*columns.split(","), *SUMS))
    return (
        f"INSERT INTO {table} ({columns}, {_SUMS}) VALUES ({values}) "
        f"ON CONFLICT ({unique}) DO UPDATE SET {_more(table)}{more}"
    )


def _times(table: str) -> str:
    return (
        f", first = CASE WHEN excluded.first < {table}.first THEN excluded.first ELSE {table}.first END"
        f", last = CASE WHEN excluded.last > {table}.last THEN excluded.last ELSE {table}.last END"
    )


# what is written

NEW_NAME: Final = "INSERT INTO name (text) VALUES (?) ON CONFLICT (text) DO NOTHING"
NAME: Final = "SELECT id FROM name WHERE text = ?"
LAST_REQUEST: Final = "SELECT coalesce(max(id), 0) FROM request"
SESSION: Final = (
    _added(
        "session",
        "text, key, owner, first, last",
        "text, key",
        f"{_times('session')}, "
        f"owner = CASE WHEN session.owner = excluded.owner THEN session.owner ELSE '{SEVERAL_OWNERS}' END",
    )
    + " RETURNING id"
)
AGENT: Final = (
    _added(
        "agent",
        "session, text, type, parent, first, last",
        "session, text",
        f"{_times('agent')}, type = excluded.type, parent = excluded.parent",
    )
    + " RETURNING id"
)
HOUR: Final = _added("hour", "hour, backend, model, key", "hour, backend, model, key")
DAY: Final = _added("day", "day, backend, model, key", "day, backend, model, key")
LATENCY: Final = (
    "INSERT INTO latency (hour, backend, model, bucket, count) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (hour, backend, model, bucket) DO UPDATE SET count = latency.count + excluded.count"
)
_REQUEST: Final = (
    *("id", "request_id", "agent", "model", "route", "kind", "started", "milliseconds", "first_byte", "status"),
    "outcome",
)
_ATTEMPT: Final = (
    *("request", "number", "backend", "model", "credential", "started", "milliseconds", "first_token", "status"),
    *("outcome", "input", "cache_read", "cache_write", "output", "thinking", "estimated", "cost", "price_from"),
)


def _inserted(table: str, columns: Sequence[str], rows: int) -> str:
    row = f"({', '.join('?' for _ in columns)})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join((row,) * rows)}"


@cache
def new_requests(rows: int) -> str:
    """Return the statement that inserts requests; its values are those of the rows, one after the other."""
    return _inserted("request", _REQUEST, rows)


@cache
def new_attempts(rows: int) -> str:
    """Return the statement that inserts attempts, as `new_requests`."""
    return _inserted("attempt", _ATTEMPT, rows)


# what is removed

_OLD: Final = "(SELECT id FROM request WHERE started < ? ORDER BY started LIMIT ?)"
_OF_SESSION: Final = "(SELECT id FROM session WHERE text = ?)"
_OF_KEY: Final = "(SELECT session.id FROM session JOIN name ON name.id = session.key WHERE name.text = ?)"
_IN_ATTEMPTS: Final = (
    "0, 0, count(*), coalesce(sum(input), 0), coalesce(sum(cache_read), 0), coalesce(sum(cache_write), 0), "
    "coalesce(sum(output), 0), coalesce(sum(thinking), 0), coalesce(sum(cost), 0), count(cost), "
    "sum(CASE WHEN cost IS NULL AND input IS NOT NULL THEN 1 ELSE 0 END)"
)
NO_FAILURE: Final = ("ok", "client_left")
"""The outcomes of requests that did not fail."""

OLD_REQUESTS: Final = (
    "SELECT request.id, request.agent, CASE WHEN name.text IN ('ok', 'client_left') THEN 0 ELSE 1 END "
    f"FROM request JOIN name ON name.id = request.outcome WHERE request.id IN {_OLD}"
)
ATTEMPTS_OF: Final = f"SELECT {_IN_ATTEMPTS} FROM attempt WHERE request = ?"
LESS_OF_AGENT: Final = f"UPDATE agent SET {_less()} WHERE id = ?"
LESS_OF_SESSION: Final = f"UPDATE session SET {_less()} WHERE id = (SELECT session FROM agent WHERE id = ?)"
DROP_ATTEMPTS: Final = "DELETE FROM attempt WHERE request = ?"
DROP_REQUEST: Final = "DELETE FROM request WHERE id = ?"
DROP_EMPTY_AGENT: Final = "DELETE FROM agent WHERE id = ? AND requests = 0"
SESSION_OF: Final = "SELECT session FROM agent WHERE id = ?"
DROP_EMPTY_SESSION: Final = "DELETE FROM session WHERE id = ? AND requests = 0"
NEWEST_DAYS: Final = "SELECT DISTINCT day FROM day ORDER BY day DESC LIMIT ?"
DROP_HOURS: Final = "DELETE FROM hour WHERE hour < ?"
DROP_LATENCIES: Final = "DELETE FROM latency WHERE hour < ?"


def forget(sessions: str) -> tuple[str, ...]:
    """Return the statements that remove some sessions with all that belongs to them; each takes the same value."""
    agents = f"(SELECT id FROM agent WHERE session IN {sessions})"
    return (
        f"DELETE FROM attempt WHERE request IN (SELECT id FROM request WHERE agent IN {agents})",
        f"DELETE FROM request WHERE agent IN {agents}",
        f"DELETE FROM agent WHERE session IN {sessions}",
        f"DELETE FROM session WHERE id IN {sessions}",
    )


FORGET_SESSION: Final = forget(_OF_SESSION)
FORGET_KEY: Final = forget(_OF_KEY)
REQUESTS_OF_SESSION: Final = "SELECT coalesce(sum(requests), 0) FROM session WHERE text = ?"
REQUESTS_OF_KEY: Final = f"SELECT coalesce(sum(requests), 0) FROM session WHERE id IN {_OF_KEY}"


def _renamed(table: str) -> tuple[str, str]:
    """Return the statements that give the sums of one key to another: the first takes new and old, the second old."""
    add = (
        f"INSERT INTO {table} ({table}, backend, model, key, {_SUMS}) SELECT {table}, backend, model, ?, {_SUMS} "
        f"FROM {table} WHERE key = ? ON CONFLICT ({table}, backend, model, key) DO UPDATE SET {_more(table)}"
    )
    return add, f"DELETE FROM {table} WHERE key = ?"


OTHER_KEY: Final = (_renamed("hour"), _renamed("day"))
_NAMED: Final = (
    ("request", ("model", "route", "kind", "outcome")),
    ("attempt", ("backend", "model", "credential", "outcome", "price_from")),
    ("session", ("key",)),
    ("agent", ("type",)),
    ("hour", ("backend", "model", "key")),
    ("day", ("backend", "model", "key")),
    ("latency", ("backend", "model")),
)
"""The columns of each table that are numbers of names; the two tables that grow with the requests come first."""

UNUSED_NAMES: Final = "DELETE FROM name WHERE id NOT IN ({})".format(
    " UNION ".join(f"SELECT {column} FROM {table}" for table, columns in _NAMED for column in columns)
)


def _names_of(table: str, columns: tuple[str, ...], where: str = "") -> str:
    return f"SELECT DISTINCT {', '.join(columns)} FROM {table}{where}"


NAMES: Final = "SELECT id FROM name"
COUNT_NAMES: Final = "SELECT count(*) FROM name"
DROP_NAME: Final = "DELETE FROM name WHERE id = ?"
NAMES_OF_REQUESTS: Final = tuple(_names_of(*each) for each in _NAMED[:2])
NAMES_OF_LATER_REQUESTS: Final = (
    _names_of(*_NAMED[0], where=" WHERE id > ?"),
    _names_of(*_NAMED[1], where=" WHERE request > ?"),
)
NAMES_ELSEWHERE: Final = tuple(_names_of(*each) for each in _NAMED[2:])

# what is read

_BACKEND: Final = "JOIN name AS backend ON backend.id = {0}.backend"
_MODEL: Final = "JOIN name AS model ON model.id = {0}.model"
_KEY: Final = "JOIN name AS key ON key.id = {0}.key"

_BY: Final = {
    "": ("'', ''", ""),
    "model": ("backend.text, model.text", f"{_BACKEND} {_MODEL}"),
    "backend": ("backend.text, ''", _BACKEND),
    "key": ("key.text, ''", _KEY),
    "day": ("day, ''", ""),
    "hour": ("hour, ''", ""),
}


_KEY_NAMED: Final = "(SELECT id FROM name WHERE text = ?)"


def sums(table: str, by: str, *, of_key: bool = False) -> str:
    """Return the query for the sums of ``hour`` or ``day``, as two columns that say of what, and `SUMS`.

    Its values are the first of them, and that after the last. ``of_key``: only those of a key, whose name is the third.
    """
    what, joins = _BY[by]
    where = f"{table} >= ? AND {table} < ?" + (f" AND key = {_KEY_NAMED}" if of_key else "")
    if by == "day" and table == "hour":
        what = "hour / 24, ''"
    if not joins:  # in the order of the table, so nothing has to be sorted
        grouped = " GROUP BY 1" if by else ""
        return f"SELECT {what}, {TOTALS} FROM {table} WHERE {where}{grouped}"
    numbers = {"model": "backend, model"}.get(by, by)
    summed = f"SELECT {numbers}, {_SUMMED} FROM {table} WHERE {where} GROUP BY {numbers}"
    return f"SELECT {what}, {_SUMS} FROM ({summed}) AS summed {joins.format('summed')}"


_SESSION_COLUMNS: Final = "session.text, key.text, session.first, session.last"
_AGENT_COLUMNS: Final = "agent.text, agent_type.text, agent.parent, agent.first, agent.last"


def _columns(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in SUMS)


_SESSIONS: Final = (
    f"SELECT {_SESSION_COLUMNS}, {_columns('session')} FROM session {_KEY.format('session')} WHERE session.last >= ? "
    "AND session.first < ?"
)
SESSIONS: Final = f"{_SESSIONS} ORDER BY session.last DESC LIMIT ?"
SESSIONS_OF_KEY: Final = f"{_SESSIONS} AND session.key = {_KEY_NAMED} ORDER BY session.last DESC LIMIT ?"
_AGENTS: Final = (
    f"SELECT {_SESSION_COLUMNS}, {_AGENT_COLUMNS}, {_columns('agent')} FROM agent "
    f"JOIN session ON session.id = agent.session {_KEY.format('session')} "
    "JOIN name AS agent_type ON agent_type.id = agent.type"
)
AGENTS: Final = f"{_AGENTS} WHERE agent.last >= ? AND agent.first < ? ORDER BY agent.last DESC LIMIT ?"
AGENTS_OF_KEY: Final = (
    f"{_AGENTS} WHERE agent.last >= ? AND agent.first < ? AND session.key = {_KEY_NAMED} "
    "ORDER BY agent.last DESC LIMIT ?"
)
AGENTS_OF: Final = f"{_AGENTS} WHERE session.text = ? ORDER BY key.text, agent.first"
MODELS_OF_DAY: Final = (
    f"SELECT DISTINCT backend.text, model.text FROM day {_BACKEND.format('day')} {_MODEL.format('day')} WHERE day = ?"
)
PAST_AGENTS: Final = (
    f"SELECT agent.id, agent.text, agent_type.text, agent.parent, {_columns('agent')} FROM session "
    "JOIN agent ON agent.session = session.id JOIN name AS agent_type ON agent_type.id = agent.type "
    "WHERE session.owner = ? AND session.text = ? ORDER BY agent.last, agent.id"
)
_ANSWERED: Final = ", ".join(f"'{outcome}'" for outcome in ANSWERED)
LAST_ANSWER: Final = (
    "SELECT backend.text, model.text, attempt.input + attempt.cache_read + attempt.cache_write, attempt.cache_read, "
    f"attempt.output FROM attempt {_BACKEND.format('attempt')} {_MODEL.format('attempt')} "
    "JOIN name AS outcome ON outcome.id = attempt.outcome "
    "WHERE attempt.request IN (SELECT request.id FROM request JOIN name AS kind ON kind.id = request.kind "
    f"WHERE request.agent = ? AND kind.text <> '{AUXILIARY}' ORDER BY request.id DESC LIMIT 20) "
    f"AND outcome.text IN ({_ANSWERED}) AND attempt.input IS NOT NULL "
    "ORDER BY attempt.request DESC, attempt.number DESC LIMIT 1"
)
LIKE_SESSION: Final = "SELECT DISTINCT text FROM session WHERE text >= ? AND text < ? ORDER BY text LIMIT 5"
_TOKENS: Final = "{0}.input + {0}.cache_read + {0}.cache_write + {0}.output"
SPENT_IN_HOURS: Final = (
    f"SELECT backend.text, model.text, key.text, sum(hour.cost), sum({_TOKENS.format('hour')}), sum(hour.unpriced) "
    "FROM hour "
    f"{_BACKEND.format('hour')} {_MODEL.format('hour')} {_KEY.format('hour')} "
    "WHERE hour >= ? AND hour < ? GROUP BY 1, 2, 3"
)
SPENT_IN_ATTEMPTS: Final = (
    "SELECT backend.text, model.text, key.text, coalesce(sum(attempt.cost), 0), coalesce(sum("
    f"{_TOKENS.format('attempt')}), 0), "
    "sum(CASE WHEN attempt.cost IS NULL AND attempt.input IS NOT NULL THEN 1 ELSE 0 END) "
    "FROM request JOIN attempt ON attempt.request = request.id "
    "JOIN agent ON agent.id = request.agent JOIN session ON session.id = agent.session "
    f"{_BACKEND.format('attempt')} {_MODEL.format('attempt')} {_KEY.format('session')} "
    "WHERE request.started >= ? AND request.started < ? AND attempt.started >= ? AND attempt.started < ? "
    "GROUP BY 1, 2, 3"
)
SPENT_BY_SESSIONS: Final = (
    f"SELECT session.cost, {_TOKENS.format('session')}, session.unpriced, key.text, session.text FROM session "
    f"{_KEY.format('session')} WHERE session.text <> '' ORDER BY session.last DESC LIMIT ?"
)
SPENT_BY_AGENTS: Final = (
    f"SELECT agent.cost, {_TOKENS.format('agent')}, agent.unpriced, key.text, session.text, agent.text FROM agent "
    f"JOIN session ON session.id = agent.session {_KEY.format('session')} "
    "WHERE agent.text <> '' AND session.text <> '' ORDER BY agent.last DESC LIMIT ?"
)


def export(*, of_key: bool = False, of_session: bool = False) -> str:
    """Return the query for all attempts of requests from a moment to another, as the view ``attempts`` has them.

    ``of_key``, ``of_session``: only those of a key, of a session, whose names are the next values.
    """
    requests = "SELECT id FROM request WHERE started >= ? AND started < ?"
    if of_key or of_session:
        requests = (
            "SELECT request.id FROM session JOIN agent ON agent.session = session.id "
            "JOIN request ON request.agent = agent.id WHERE request.started >= ? AND request.started < ?"
            f"{f' AND session.key = {_KEY_NAMED}' if of_key else ''}{' AND session.text = ?' if of_session else ''}"
        )
    return f"SELECT * FROM attempts WHERE request IN ({requests}) ORDER BY request"
