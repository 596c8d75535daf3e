"""Requests to be written into a ledger, drawn or made, and the sums that must follow from them."""

# ruff: noqa: S608 - only names of tables are inserted

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from claude_bridge.services.accounting.store.booking import Booking
from claude_bridge.services.accounting.store.entries import Attempt, Entry

NOON = 1_700_049_600_000
"""A day's noon, UTC, in Unix milliseconds."""

COLUMNS = "input, cache_read, cache_write, output, thinking, cost"


def attempt(**more: Any) -> Attempt:
    """Make an attempt that was answered."""
    made = Attempt("chutes", "GLM", "client", NOON, 900, 250, 200, "ok", 10, 80, 5, 7, 3, False, 1_500_000, "file")
    return made._replace(**more)


def entry(**more: Any) -> Entry:
    """Make a request that was answered at once."""
    made = Entry(
        "req_1", "alice", "s-1", "", "", "", "main", "glm", "default", NOON, 1000, 300, 200, "ok", (attempt(),)
    )
    return made._replace(**more)


COUNTS = st.none() | st.tuples(*(st.integers(0, 10**10) for _ in range(4)), st.none() | st.integers(0, 10**10))
WHEN = st.integers(NOON - 100 * 86_400_000, NOON)


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    """Draw an attempt, of known or unknown tokens and cost."""
    given, cached, stored, written, thought = draw(COUNTS) or (None,) * 5
    return Attempt(
        draw(st.sampled_from(["chutes", "box"])),
        draw(st.sampled_from(["GLM", "Qwen", "box"])),
        draw(st.sampled_from(["client", "box/1"])),
        draw(WHEN),
        draw(st.integers(0, 10**6)),
        draw(st.none() | st.integers(0, 200_000)),
        draw(st.none() | st.sampled_from([200, 500])),
        draw(st.sampled_from(["ok", "upstream_cut"])),
        given,
        cached,
        stored,
        written,
        thought,
        draw(st.booleans()),
        draw(st.none() | st.integers(0, 10**15)),
        draw(st.sampled_from(["", "file"])),
    )


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw a request."""
    return Entry(
        f"req_{draw(st.integers(0, 99))}",
        draw(st.sampled_from(["alice", "bob", ""])),
        draw(st.sampled_from(["", "s-1", "s-2"])),
        draw(st.sampled_from(["", "a-1", "a-2"])),
        draw(st.sampled_from(["", "Explore"])),
        draw(st.sampled_from(["", "a-1"])),
        draw(st.sampled_from(["main", "subagent"])),
        draw(st.sampled_from(["glm", "box"])),
        draw(st.sampled_from(["", "default"])),
        draw(WHEN),
        draw(st.integers(0, 10**6)),
        draw(st.none() | st.integers(0, 10**6)),
        draw(st.sampled_from([200, 502])),
        draw(st.sampled_from(["ok", "client_left", "upstream_cut"])),
        tuple(draw(st.lists(attempts(), max_size=3))),
        draw(st.sampled_from(["key:alice", "", "*"])),
    )


def write(connection: sqlite3.Connection, *batches: Sequence[Entry]) -> None:
    """Write entries, one transaction a batch."""
    booking = Booking()
    for batch in batches:
        booking.book(connection.cursor(), batch)
        connection.commit()


def rows(connection: sqlite3.Connection, statement: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    return connection.execute(statement).fetchall()


def summed(table: str) -> str:
    """Return the sums of a table's columns, in SQL."""
    return ", ".join(f"coalesce(sum({table}.{column}), 0)" for column in COLUMNS.split(", "))


def assert_sessions_add_up(connection: sqlite3.Connection) -> None:
    """Check that each agent is the sum of its attempts, and each session that of its agents."""
    agents = rows(connection, f"SELECT id, requests, attempts, priced, unpriced, {COLUMNS} FROM agent ORDER BY id")
    by_attempt = rows(
        connection,
        "SELECT agent.id, count(DISTINCT request.id), count(attempt.number), count(attempt.cost), "
        "coalesce(sum(attempt.cost IS NULL AND attempt.input IS NOT NULL), 0), "
        f"{summed('attempt')} FROM agent LEFT JOIN request ON request.agent = agent.id "
        "LEFT JOIN attempt ON attempt.request = request.id GROUP BY agent.id ORDER BY agent.id",
    )
    assert agents == by_attempt
    sums = ", ".join(f"sum(agent.{each})" for each in ("requests", "failed", "attempts", *COLUMNS.split(", ")))
    by_agent = rows(connection, f"SELECT session, {sums} FROM agent GROUP BY session ORDER BY session")
    assert rows(connection, f"SELECT id, requests, failed, attempts, {COLUMNS} FROM session ORDER BY id") == by_agent
    assert rows(connection, "SELECT 1 FROM request WHERE agent NOT IN (SELECT id FROM agent)") == []
    assert rows(connection, "SELECT 1 FROM attempt WHERE request NOT IN (SELECT id FROM request)") == []


def assert_periods_add_up(connection: sqlite3.Connection) -> None:
    """Check that each hour and each day is the sum of its attempts."""
    for table, unit in (("hour", 3_600_000), ("day", 86_400_000)):
        by_attempt = rows(
            connection,
            f"SELECT attempt.started / {unit}, attempt.backend, attempt.model, session.key, count(*), "
            f"{summed('attempt')} FROM attempt JOIN request ON request.id = attempt.request "
            "JOIN agent ON agent.id = request.agent JOIN session ON session.id = agent.session "
            "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        )
        told = f"SELECT {table}, backend, model, key, attempts, {COLUMNS} FROM {table} WHERE attempts > 0"
        assert rows(connection, f"{told} ORDER BY 1, 2, 3, 4") == by_attempt
        (requests,) = rows(connection, f"SELECT coalesce(sum(requests), 0), coalesce(sum(failed), 0) FROM {table}")
        (expected,) = rows(
            connection,
            "SELECT count(*), coalesce(sum(name.text NOT IN ('ok', 'client_left')), 0) FROM request "
            "JOIN name ON name.id = request.outcome",
        )
        assert requests == expected
