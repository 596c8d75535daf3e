"""What is removed, and that what is left adds up."""

# ruff: noqa: S608 - only names of views and columns are inserted

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_bridge.services.accounting.store import sql, sqlite
from claude_bridge.services.accounting.store.batch import DAY, HOUR
from claude_bridge.services.accounting.store.booking import Booking
from claude_bridge.services.accounting.store.entries import Entry
from claude_bridge.services.accounting.store.removal import (
    DAYS_TO_TRUST,
    FORGOTTEN,
    PIECE,
    compact,
    forget_key,
    forget_session,
    remove_old,
    remove_unused_names,
)
from tests.services.accounting.store.books import NOON, assert_sessions_add_up, entries, entry, rows, write

TOTAL = "SELECT sum(requests), sum(attempts), sum(input), sum(cost) FROM {}"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return where the ledger is."""
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(file: str) -> Iterator[sqlite3.Connection]:
    """Yield a new ledger."""
    connection = sqlite.connect(file)
    yield connection
    connection.close()


def removed(connection: sqlite3.Connection, now: int, keep: int) -> int:
    """Remove one piece of what is old, on a day before which the bridge was used on other days."""
    columns = ("day", "backend", "model", "key", *sql.SUMS)
    day = f"INSERT OR IGNORE INTO day ({', '.join(columns)}) VALUES (?{', 0' * (len(columns) - 1)})"
    connection.executemany(day, [(now // DAY - number,) for number in range(DAYS_TO_TRUST)])
    return removed_now(connection, now, keep)


def removed_now(connection: sqlite3.Connection, now: int, keep: int) -> int:
    """Remove one piece of what is old."""
    count = remove_old(connection.cursor(), now, keep)
    connection.commit()
    return count


def files(file: str) -> bytes:
    """Return all bytes that are on the disk."""
    return b"".join(path.read_bytes() for path in Path(file).parent.iterdir())


class _Between:
    """A cursor beside which somebody else writes as soon as it has read the requests."""

    def __init__(self, connection: sqlite3.Connection, entries: list[Entry]) -> None:
        self._connection, self._entries, self._cursor = connection, entries, connection.cursor()

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if statement == "BEGIN IMMEDIATE":
            write(self._connection, self._entries)
        return self._cursor.execute(statement, values)

    def executemany(self, statement: str, values: list[tuple[Any, ...]]) -> sqlite3.Cursor:
        return self._cursor.executemany(statement, values)


class RetentionTests:
    """What is too old."""

    def test_old_requests(self, ledger: sqlite3.Connection) -> None:
        """Requests older than is kept go, with sessions of which nothing is left; days stay."""
        write(ledger, [entry(session="old", started=NOON - 90 * DAY - 1), entry(session="new")])
        assert removed(ledger, NOON, 90 * DAY) == 1
        assert rows(ledger, "SELECT session FROM requests") == [("new",)]
        assert rows(ledger, "SELECT text FROM session") == [("new",)]
        assert rows(ledger, TOTAL.format("day")) == [(2, 2, 20, 3_000_000)]

    def test_sums_of_hours(self, ledger: sqlite3.Connection) -> None:
        """Hours and latencies are kept for 35 days, whatever `keep` says."""
        times = [NOON - 36 * DAY, NOON - 34 * DAY]
        write(ledger, [entry(started=each, attempts=(entry().attempts[0]._replace(started=each),)) for each in times])
        removed(ledger, NOON, 90 * DAY)
        assert rows(ledger, "SELECT hour FROM hour") == [(times[1] // HOUR,)]
        assert rows(ledger, "SELECT hour FROM latency") == [(times[1] // HOUR,)]

    def used_on(self, ledger: sqlite3.Connection, *times: int) -> None:
        """Write a request at each of these times."""
        write(ledger, [entry(started=each, attempts=(entry().attempts[0]._replace(started=each),)) for each in times])

    def test_clock_that_is_a_year_ahead(self, ledger: sqlite3.Connection) -> None:
        """What is within `keep` stays while the clock is wrong, sums of hours too."""
        days = [NOON - number * DAY for number in range(100)]
        wrong = NOON + 365 * DAY
        self.used_on(ledger, *days, wrong)
        assert removed_now(ledger, wrong, 90 * DAY) < 100 - 80
        assert rows(ledger, "SELECT count(*) > 80 FROM request") == [(1,)]
        assert rows(ledger, f"SELECT count(*) > 25 FROM hour WHERE hour <= {NOON // HOUR}") == [(1,)]
        self.used_on(ledger, wrong + DAY)
        removed_now(ledger, wrong + DAY, 90 * DAY)
        assert rows(ledger, "SELECT count(*) > 80 FROM request") == [(1,)]
        removed_now(ledger, NOON, 90 * DAY)
        assert rows(ledger, "SELECT count(*) > 80 FROM request") == [(1,)]

    def test_clock_that_is_believed(self, ledger: sqlite3.Connection) -> None:
        """After a year without the bridge three days of use bear the clock out."""
        later = NOON + 365 * DAY
        self.used_on(ledger, *(NOON - number * DAY for number in range(5)))
        for number in range(DAYS_TO_TRUST - 1):
            self.used_on(ledger, later + number * DAY)
            assert removed_now(ledger, later + number * DAY, 90 * DAY) == 0
        self.used_on(ledger, later + 2 * DAY)
        assert removed_now(ledger, later + 2 * DAY, 90 * DAY) == 5

    @pytest.mark.parametrize("apart", [1, 3])
    def test_use_now_and_then(self, ledger: sqlite3.Connection, apart: int) -> None:
        """Who uses the bridge daily, or twice a week, has nothing left that is older than is kept."""
        for number in range(0, 15, apart):
            self.used_on(ledger, NOON + number * DAY)
            removed_now(ledger, NOON + number * DAY, 2 * DAY)
            assert rows(ledger, "SELECT min(started) FROM request") >= [(NOON + (number - 2) * DAY,)]

    def test_names_that_nobody_has(self, ledger: sqlite3.Connection) -> None:
        """Made-up names of models go some time after the requests that had them, if they are many."""
        old = [entry(model=f"made-up-{number}", agent_type="Explore", started=NOON - 91 * DAY) for number in range(30)]
        write(ledger, old, [entry(model="asked", session="new", agent="a-1", agent_type="Explore")])
        (before,) = rows(ledger, "SELECT count(*) FROM name")[0]
        removed(ledger, NOON, 90 * DAY)
        assert remove_unused_names(ledger.cursor(), before) is None
        views = [rows(ledger, f"SELECT * FROM {view}") for view in ("requests", "attempts")]
        left = remove_unused_names(ledger.cursor(), 20)
        ledger.commit()
        assert rows(ledger, "SELECT count(*) FROM name") == [(left,)]
        assert left == before - 30
        assert [rows(ledger, f"SELECT * FROM {view}") for view in ("requests", "attempts")] == views
        assert len(views[0]) == 1

    @settings(max_examples=30)
    @given(batch=st.lists(entries(), max_size=8), later=st.lists(entries(), max_size=3))
    def test_names_that_somebody_has(
        self, batch: list[Entry], later: list[Entry], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Whatever is in the ledger, exactly the names that nobody has go, those too that came while it was read."""
        connection = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite"))
        connection.execute("INSERT INTO name (text) VALUES ('nobody'), ('nobody either')")
        write(connection, batch)
        removed(connection, NOON, 20 * DAY)
        remove_unused_names(_Between(connection, later), -1)
        connection.commit()
        names = rows(connection, "SELECT text FROM name ORDER BY text")
        connection.execute(sql.UNUSED_NAMES)
        assert rows(connection, "SELECT text FROM name ORDER BY text") == names
        assert ("nobody",) not in names
        assert rows(connection, "SELECT count(*) FROM requests") == rows(connection, "SELECT count(*) FROM request")
        assert rows(connection, "SELECT count(*) FROM attempts") == rows(connection, "SELECT count(*) FROM attempt")
        connection.close()

    def test_in_pieces(self, ledger: sqlite3.Connection) -> None:
        """One transaction removes no more than a piece, the oldest first."""
        write(ledger, [entry(started=NOON - 100 * DAY + number) for number in range(PIECE + 1)])
        assert removed(ledger, NOON, 90 * DAY) == PIECE
        assert rows(ledger, "SELECT started_ms FROM requests") == [(NOON - 100 * DAY + PIECE,)]
        assert (removed(ledger, NOON, 90 * DAY), removed(ledger, NOON, 90 * DAY)) == (1, 0)
        assert rows(ledger, "SELECT count(*) FROM attempt") == [(0,)]

    def test_clock_set_back(self, ledger: sqlite3.Connection) -> None:
        """With a clock that is years behind nothing is old, and nothing goes."""
        write(ledger, [entry()])
        assert removed(ledger, NOON - 3650 * DAY, 90 * DAY) == 0

    @settings(max_examples=60)
    @given(written=st.lists(entries(), max_size=12), days=st.integers(0, 100))
    def test_what_is_left_adds_up(
        self, written: list[Entry], days: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """After any removal agents and sessions are the sums of the attempts that are left."""
        connection = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite"))
        write(connection, written)
        days_before = rows(connection, TOTAL.format("day"))
        removed(connection, NOON, days * DAY)
        assert_sessions_add_up(connection)
        assert rows(connection, TOTAL.format("day")) == days_before or not written
        kept = sorted(each.started for each in written if each.started >= NOON - days * DAY)
        assert sorted(started for (started,) in rows(connection, "SELECT started FROM request")) == kept
        connection.close()


class ForgettingTests:
    """A session or a key that is to be forgotten."""

    def test_session(self, ledger: sqlite3.Connection, file: str) -> None:
        """Nothing of it is left in the files, not even among what was removed; sums of days stay."""
        write(ledger, [entry(session="secret-session"), entry(session="secret-session", agent="a"), entry()])
        assert b"secret-session" in files(file)
        assert forget_session(ledger, "secret-session").requests == 2
        assert rows(ledger, "SELECT session FROM attempts") == [("s-1",)]
        assert rows(ledger, TOTAL.format("day")) == [(3, 3, 30, 4_500_000)]
        assert b"secret-session" not in files(file)
        assert forget_session(ledger, "secret-session").requests == 0

    def test_key_without_requests(self, ledger: sqlite3.Connection) -> None:
        """A key whose requests are gone by their age has a name in the sums yet, which is forgotten."""
        write(ledger, [entry(key="alice", started=NOON - 91 * DAY), entry(key="bob")])
        removed(ledger, NOON, 90 * DAY)
        forgotten = forget_key(ledger, "alice")
        assert (forgotten.requests, forgotten.renamed, bool(forgotten)) == (0, True, True)
        assert not forget_key(ledger, "alice")
        assert not forget_key(ledger, "ok")

    def test_names_of_a_session(self, ledger: sqlite3.Connection, file: str) -> None:
        """Nor is a name left that nobody else has: of its agents' type, and of the model that was asked for."""
        mine = {"session": "secret-session", "agent": "a", "agent_type": "AcmeReviewer", "model": "claude/Acme"}
        write(ledger, [entry(**mine), entry(agent="b", agent_type="Explore")])
        assert b"Acme" in files(file)
        forget_session(ledger, "secret-session")
        assert b"Acme" not in files(file)
        assert rows(ledger, "SELECT agent_type, asked_model FROM attempts") == [("Explore", "glm")]

    def test_key(self, ledger: sqlite3.Connection, file: str) -> None:
        """Its sessions and its name go; what it used stays in the sums, under no name, also a second time."""
        for name in ("anastasia", "bartholomew"):
            write(ledger, [entry(key=name), entry(key="carol")])
            assert forget_key(ledger, name).requests == 1
            assert name.encode() not in files(file)
        assert rows(ledger, "SELECT key, count(*) FROM attempts GROUP BY key") == [("carol", 2)]
        by_key = "SELECT name.text, sum(requests) FROM day JOIN name ON name.id = day.key GROUP BY 1 ORDER BY 1"
        assert rows(ledger, by_key) == [(FORGOTTEN, 2), ("carol", 2)]
        assert rows(ledger, TOTAL.format("hour")) == [(4, 4, 40, 6_000_000)]
        assert not forget_key(ledger, FORGOTTEN)
        assert rows(ledger, by_key) == [(FORGOTTEN, 2), ("carol", 2)]

    @settings(max_examples=60)
    @given(written=st.lists(entries(), max_size=12), session=st.sampled_from(["", "s-1"]))
    def test_what_is_left_adds_up(
        self, written: list[Entry], session: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Whatever is forgotten, agents and sessions are the sums of the attempts that are left."""
        connection = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite"))
        write(connection, written)
        days = rows(connection, TOTAL.format("day"))
        assert forget_session(connection, session).requests == sum(each.session == session for each in written)
        assert forget_key(connection, "bob").requests == sum(
            each.key == "bob" and each.session != session for each in written
        )
        assert_sessions_add_up(connection)
        assert rows(connection, TOTAL.format("day")) == days
        connection.close()


class CompactingTests:
    """Space that is given back."""

    def test_shrinks(self, ledger: sqlite3.Connection, file: str) -> None:
        """After a removal the file is as large as what is left, and names that nobody has are gone."""
        write(ledger, [entry(request_id="r" * 500, model=f"m{number}") for number in range(2000)])
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = Path(file).stat().st_size
        removed(ledger, NOON + 91 * DAY, 90 * DAY)
        compact(ledger)
        assert Path(file).stat().st_size < before / 5
        assert rows(ledger, "SELECT count(*) FROM name WHERE text LIKE 'm1%'") == [(0,)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(entries(), min_size=1, max_size=5)),
        st.tuples(st.just("remove"), st.integers(0, 100)),
        st.tuples(st.just("session"), st.sampled_from(["", "s-1", "s-2"])),
        st.tuples(st.just("key"), st.sampled_from(["alice", "bob", FORGOTTEN])),
        st.tuples(st.just("compact"), st.none()),
    ),
    max_size=8,
)


class LifeTests:
    """Whatever happens to a ledger in its life, in whatever order."""

    @settings(max_examples=60)
    @given(steps=STEPS)
    def test_adds_up(self, steps: list[tuple[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
        """Agents and sessions are the sums of the attempts that are there, days those of all there ever were."""
        connection, booking = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite")), Booking()
        written: list[Entry] = []
        for step, value in steps:
            if step == "write":
                booking.book(connection.cursor(), value)
                connection.commit()
                written += value
            elif step == "remove":
                removed(connection, NOON, value * DAY)
            elif step == "session":
                forget_session(connection, value)
            elif step == "key":
                forget_key(connection, value)
            else:
                compact(connection)
            booking.forget()  # as after a change by another connection
            assert_sessions_add_up(connection)
        attempts = [attempt for each in written for attempt in each.attempts]
        assert rows(connection, "SELECT coalesce(sum(requests), 0), coalesce(sum(cost), 0) FROM day") == [
            (len(written), sum(attempt.cost or 0 for attempt in attempts))
        ]
        unnamed = "SELECT count(*) FROM attempt LEFT JOIN name ON name.id = attempt.backend WHERE name.id IS NULL"
        assert rows(connection, unnamed) == [(0,)]
        connection.close()
