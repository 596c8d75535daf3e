"""What is written, and that the sums are those of what was written."""

# ruff: noqa: S608 - only names of tables are inserted

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_bridge.services.accounting.store import sqlite
from claude_bridge.services.accounting.store.batch import DAY
from claude_bridge.services.accounting.store.booking import MOST_MODELS, OTHER, Booking
from claude_bridge.services.accounting.store.entries import Entry
from claude_bridge.services.accounting.store.removal import compact
from tests.services.accounting.store.books import (
    NOON,
    assert_periods_add_up,
    assert_sessions_add_up,
    attempt,
    entries,
    entry,
    rows,
    write,
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return where the ledger is to be."""
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(file: str) -> Iterator[sqlite3.Connection]:
    """Yield a new ledger."""
    connection = sqlite.connect(file)
    yield connection
    connection.close()


class Counted(list[Entry]):
    """Requests that count how many of them are looked at between two pauses.

    :ivar most: the most so far.
    """

    most = _since = 0

    def pause(self) -> None:
        """Begin to count again."""
        self._since = 0

    def __iter__(self) -> Iterator[Entry]:
        for each in super().__iter__():
            self._look_at(1)
            yield each

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self._look_at(len(found) if isinstance(place, slice) else 1)
        return found

    def _look_at(self, count: int) -> None:
        self._since += count
        self.most = max(self.most, self._since)


class Pausing:
    """A cursor with which each statement is a pause, as other threads run meanwhile."""

    def __init__(self, cursor: sqlite3.Cursor, pause: Callable[[], None]) -> None:
        self._cursor, self._pause = cursor, pause

    def execute(self, *statement: Any) -> Any:
        """Pause, and execute a statement."""
        self._pause()
        return self._cursor.execute(*statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class BookingTests:
    """One request after the other."""

    def test_views_show_words(self, ledger: sqlite3.Connection) -> None:
        """A person who opens the file finds names, dates, seconds and dollars in two views."""
        agent = {"agent": "a-1", "agent_type": "Explore", "parent": "a-0", "kind": "subagent"}
        write(ledger, [entry(**agent)])
        ledger.row_factory = sqlite3.Row
        (request,) = ledger.execute("SELECT * FROM requests").fetchall()
        (seen,) = ledger.execute("SELECT * FROM attempts").fetchall()
        assert dict(request) == {
            "id": 1,
            "request_id": "req_1",
            "started": "2023-11-15 12:00:00",
            "started_ms": NOON,
            "seconds": 1.0,
            "first_byte_seconds": 0.3,
            "key": "alice",
            "session": "s-1",
            **agent,
            "model": "glm",
            "route": "default",
            "status": 200,
            "outcome": "ok",
        }
        assert dict(seen) == {
            "request": 1,
            "number": 1,
            "request_id": "req_1",
            "started": "2023-11-15 12:00:00",
            "started_ms": NOON,
            "seconds": 0.9,
            "first_token_seconds": 0.25,
            "key": "alice",
            "session": "s-1",
            **agent,
            "asked_model": "glm",
            "route": "default",
            "backend": "chutes",
            "model": "GLM",
            "credential": "client",
            "status": 200,
            "outcome": "ok",
            "input_tokens": 10,
            "cache_read_tokens": 80,
            "cache_write_tokens": 5,
            "output_tokens": 7,
            "thinking_tokens": 3,
            "estimated": 0,
            "cost_pico_usd": 1_500_000,
            "cost_usd": 1.5e-6,
            "price_from": "file",
        }

    def test_unknown_is_null(self, ledger: sqlite3.Connection) -> None:
        """Tokens and costs that nobody knows are NULL, and counted as unpriced, never as 0."""
        nothing = attempt(
            input=None, cache_read=None, cache_write=None, output=None, thinking=None, cost=None, first_token=None
        )
        write(ledger, [entry(attempts=(nothing, attempt(cost=None)))])
        assert rows(ledger, "SELECT input, cost, first_token FROM attempt") == [(None, None, None), (10, None, 250)]
        assert rows(ledger, "SELECT attempts, priced, unpriced, cost FROM session") == [(2, 0, 1, 0)]

    def test_request_without_attempt(self, ledger: sqlite3.Connection) -> None:
        """A request that no backend was asked for is counted, as one that failed, at no model."""
        write(ledger, [entry(attempts=(), status=404, outcome="unknown_model")])
        assert rows(ledger, "SELECT requests, failed, attempts FROM session") == [(1, 1, 0)]
        assert rows(ledger, "SELECT name.text, requests FROM day JOIN name ON name.id = day.model") == [("", 1)]

    def test_names_that_backends_do_not_know(self, ledger: sqlite3.Connection) -> None:
        """Made-up names of models are in the requests alone: hours and days, which are kept for ever, have one row."""
        unknown = {"status": 404, "outcome": "not_found", "first_token": None}
        for number in range(20):
            name = f"made-up-{number}"
            write(ledger, [entry(model=name, outcome="not_found", attempts=(attempt(model=name, **unknown),))])
        for table in ("day", "hour"):
            found = rows(ledger, f"SELECT name.text, requests, attempts FROM {table} JOIN name ON name.id = model")
            assert found == [(OTHER, 20, 20)]
        assert rows(ledger, "SELECT count(DISTINCT model), count(DISTINCT asked_model) FROM attempts") == [(20, 20)]

    def test_names_that_a_backend_takes_all_of(self, ledger: sqlite3.Connection) -> None:
        """Where a backend answers to any name a day has sums of so many models; what those have used stays theirs."""
        for number in range(MOST_MODELS + 20):
            write(ledger, [entry(attempts=(attempt(model=f"made-up-{number}"),))])  # each as after a restart
        write(ledger, [entry(attempts=(attempt(model="made-up-0"),) * 2)])
        by_model = (
            "SELECT name.text, attempts FROM {} JOIN name ON name.id = model WHERE attempts > 1 ORDER BY attempts"
        )
        for table in ("day", "hour"):
            assert rows(ledger, f"SELECT count(*), sum(attempts) FROM {table}") == [(MOST_MODELS + 1, MOST_MODELS + 22)]
            assert rows(ledger, by_model.format(table)) == [("made-up-0", 3), (OTHER, 20)]
        assert rows(ledger, "SELECT count(DISTINCT model) FROM latency") == [(MOST_MODELS + 1,)]

    def test_another_day_has_models_of_its_own(self, ledger: sqlite3.Connection) -> None:
        """A day that was full of made-up names does not keep the models of the next one from being told apart."""
        write(ledger, [entry(attempts=(attempt(model=f"made-up-{number}"),)) for number in range(MOST_MODELS + 1)])
        write(ledger, [entry(started=NOON + DAY, attempts=(attempt(started=NOON + DAY, model="new"),))])
        (day,) = rows(ledger, f"SELECT name.text FROM day JOIN name ON name.id = model WHERE day = {NOON // DAY + 1}")
        assert day == ("new",)

    def test_models_after_a_transaction_that_failed(self, ledger: sqlite3.Connection) -> None:
        """Models of a transaction that was rolled back take nobody's place."""
        booking = Booking()
        many = [entry(attempts=(attempt(model=f"made-up-{number}"),)) for number in range(MOST_MODELS)]
        booking.book(ledger.cursor(), many)
        ledger.rollback()
        booking.forget()
        booking.book(ledger.cursor(), [entry(attempts=(attempt(model="new"),))])
        ledger.commit()
        assert rows(ledger, "SELECT name.text FROM day JOIN name ON name.id = model") == [("new",)]

    def test_latencies(self, ledger: sqlite3.Connection) -> None:
        """First words are counted by the bucket of their time; one that needed no time at all is in the first."""
        times = (0, 100, 101, 119_000, 120_001, None)
        write(ledger, [entry(attempts=tuple(attempt(first_token=each) for each in times))])
        assert rows(ledger, "SELECT bucket, count FROM latency ORDER BY bucket") == [(0, 2), (1, 1), (12, 1), (13, 1)]

    def test_one_session_of_two_keys(self, ledger: sqlite3.Connection) -> None:
        """The same session's id with another key is another session: nobody's figures are in somebody else's."""
        write(ledger, [entry(), entry(key="bob")])
        assert rows(ledger, "SELECT text, requests FROM session") == [("s-1", 1), ("s-1", 1)]

    def test_times_of_a_session(self, ledger: sqlite3.Connection) -> None:
        """A session lasts from its first request's beginning to its last one's end, in whatever order they come."""
        write(ledger, [entry(started=NOON), entry(started=NOON - 9000)], [entry(started=NOON - 5000)])
        assert rows(ledger, "SELECT first, last FROM session") == [(NOON - 9000, NOON + 1000)]
        assert rows(ledger, "SELECT first, last FROM agent") == [(NOON - 9000, NOON + 1000)]

    def test_names_that_somebody_removed(self, ledger: sqlite3.Connection, file: str) -> None:
        """Names that another process has removed get numbers again, although this one had remembered theirs."""
        booking = Booking()
        booking.book(ledger.cursor(), [entry(route="once")])
        ledger.commit()
        other = sqlite.connect(file)
        for table in ("request", "attempt", "agent", "session", "hour", "day", "latency"):
            other.execute(f"DELETE FROM {table}")
        compact(other)
        other.close()
        booking.book(ledger.cursor(), [entry(route="once")])
        ledger.commit()
        assert rows(ledger, "SELECT route, model FROM attempts") == [("once", "GLM")]

    def test_other_threads(self, ledger: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between two statements, or two pauses, no more requests are looked at than take half a millisecond."""
        written = Counted(entry(request_id=f"req_{number}", session=f"s-{number}") for number in range(1000))
        monkeypatch.setattr(time, "sleep", lambda _seconds: written.pause())
        Booking().book(Pausing(ledger.cursor(), written.pause), written)
        assert rows(ledger, "SELECT count(*) FROM request") == rows(ledger, "SELECT count(*) FROM attempt") == [(1000,)]
        assert 0 < written.most <= 256

    @pytest.mark.parametrize("count", [0, 1, 3, 4, 31, 255, 256, 257, 293])
    def test_many_at_once(self, ledger: sqlite3.Connection, count: int) -> None:
        """However many there are, each is written once, in order, with its attempts in theirs."""
        tried = [(attempt(model="m"),) * (number % 3) for number in range(count)]
        write(ledger, [entry(request_id=f"r{number}", attempts=each) for number, each in enumerate(tried)])
        found = rows(ledger, "SELECT id, request_id FROM request ORDER BY id")
        assert found == [(number + 1, f"r{number}") for number in range(count)]
        found = rows(ledger, "SELECT request, number FROM attempt ORDER BY request, number")
        assert found == [(at, n + 1) for at, each in enumerate(tried, start=1) for n in range(len(each))]

    @settings(max_examples=60)
    @given(batches=st.lists(st.lists(entries(), max_size=6), max_size=4))
    def test_sums_are_those_of_the_attempts(
        self, batches: list[list[Entry]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Whatever is written: agents, sessions, hours and days are the sums of their attempts."""
        connection = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite"))
        write(connection, *batches)
        assert_sessions_add_up(connection)
        assert_periods_add_up(connection)
        connection.close()
