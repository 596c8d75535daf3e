"""The ledger's file, written in its thread."""

# ruff: noqa: ASYNC240 - nobody else waits for the reactor of a test

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import provider

from claude_bridge.services.accounting.ledger_writer import LedgerWriter
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.accounting.store.spending import Question, Span
from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.services.interfaces import SessionName
from tests.services.accounting.store.books import assert_periods_add_up, assert_sessions_add_up, rows
from tests.services.accounting.test_request_log import RECORD

ALWAYS = Span(0, 2**60)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the ledger is to be."""
    return tmp_path / "ledger.sqlite"


@pytest_twisted.async_yield_fixture()
async def writer(reactor: Any, file: Path) -> AsyncIterator[LedgerWriter]:
    """Yield a writer."""
    made = LedgerWriter(reactor, str(file))
    yield made
    await made.close()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Yield the beginnings of the ledger's warnings."""
    lines: list[str] = []

    @provider(ILogObserver)
    def keep(event: LogEvent) -> None:
        if event.get("event") == "ledger" and event["log_level"] is LogLevel.warn:
            lines.append(event["log_format"].format(**event).split(" while ")[0])

    globalLogPublisher.addObserver(keep)
    yield lines
    globalLogPublisher.removeObserver(keep)


def requests(file: Path) -> list[str]:
    """Return the ids of all requests in the file."""
    connection = connect(str(file))
    found = [each for (each,) in rows(connection, "SELECT request_id FROM requests ORDER BY id")]
    connection.close()
    return found


class WritingTests:
    """What is written."""

    @pytest_twisted.ensureDeferred
    async def test_one_transaction_a_call(self, writer: LedgerWriter, file: Path) -> None:
        """What a call has written is in the file when its Deferred fires."""
        assert await writer.write([RECORD, evolve(RECORD, request_id="req_2")]) == 0
        assert requests(file) == [RECORD.request_id, "req_2"]

    @pytest_twisted.ensureDeferred
    async def test_impossible_record(self, writer: LedgerWriter, file: Path) -> None:
        """A record that nobody can write costs itself alone."""
        assert await writer.write([evolve(RECORD, started=float("nan")), RECORD]) == 1
        assert requests(file) == [RECORD.request_id]

    @pytest_twisted.ensureDeferred
    async def test_removes_what_is_old(self, writer: LedgerWriter, file: Path) -> None:
        """Requests older than is kept go."""
        await writer.write([RECORD, evolve(RECORD, request_id="new", started=RECORD.started + 100)])
        assert await writer.remove_old(RECORD.started + 100, 50) == 1
        assert requests(file) == ["new"]

    @pytest_twisted.ensureDeferred
    async def test_what_was_spent(self, writer: LedgerWriter) -> None:
        """A reading finds what was written before it."""
        writing = writer.write([RECORD])
        answer = await writer.spent(Question((ALWAYS,), 10))
        assert await writing == 0
        assert set(answer.sessions) == {("anna", "s-1"), ("anna", "s-1", "a-1")}
        assert [(each.backend, each.model, each.key) for each in answer.periods[ALWAYS]] == [("box", "zai/GLM", "anna")]

    @pytest_twisted.ensureDeferred
    async def test_removes_names(self, writer: LedgerWriter, file: Path) -> None:
        """When nothing old is left, names that nobody has any more go, if they are many; later writes make new ones."""
        writer._most_names = 20
        await writer.write([evolve(RECORD, model=f"made-up-{number}") for number in range(30)])
        await writer.write([evolve(RECORD, request_id="new", started=RECORD.started + 100)])
        assert await writer.remove_old(RECORD.started + 100, 50) == 30
        connection = connect(str(file))
        assert rows(connection, "SELECT count(*) FROM name WHERE text LIKE 'made-up%'") == [(0,)]
        await writer.write([evolve(RECORD, request_id="again", model="made-up-0")])
        assert rows(connection, "SELECT model FROM requests WHERE request_id = 'again'") == [("made-up-0",)]
        connection.close()

    @pytest_twisted.ensureDeferred
    async def test_file_that_was_removed(self, writer: LedgerWriter, file: Path, told: list[str]) -> None:
        """A file that somebody removed or replaced is not written to any more: the one that is there now is."""
        await writer.write([RECORD])
        for path in file.parent.iterdir():
            path.unlink()
        await writer.write([evolve(RECORD, request_id="later")])
        assert requests(file) == ["later"]
        assert told == [f"{file} was removed or replaced"]

    @pytest_twisted.ensureDeferred
    async def test_files_that_were_removed(self, writer: LedgerWriter, file: Path, told: list[str]) -> None:
        """The log has one warning for each such file, and none for others."""
        for _ in range(3):
            await writer.write([RECORD])
            await writer.write([RECORD])
            for path in file.parent.iterdir():
                path.unlink()
        assert len(told) == 2

    @pytest_twisted.ensureDeferred
    async def test_two_bridges_on_one_file(self, reactor: Any, writer: LedgerWriter, file: Path) -> None:
        """Two bridges may write to one file at the same time: all is there, and the sums are right."""
        other = LedgerWriter(reactor, str(file))
        writes = [
            each.write([evolve(RECORD, request_id=f"req_{number}", model=f"m{number}", session="s")] * 5)
            for number in range(10)
            for each in (writer, other)
        ]
        assert [await each for each in writes] == [0] * 20
        await other.close()
        connection = connect(str(file))
        assert rows(connection, "SELECT count(*), count(DISTINCT id) FROM requests") == [(100, 100)]
        assert_sessions_add_up(connection)
        assert_periods_add_up(connection)
        connection.close()


class RecallTests:
    """What is read."""

    @pytest_twisted.ensureDeferred
    async def test_in_its_turn(self, writer: LedgerWriter) -> None:
        """A question finds what was written before it, and nothing of what is written after it."""
        record = evolve(RECORD, owner="key:anna", agent="")
        anna, bob = SessionName("key:anna", "s-1"), SessionName("key:bob", "s-1")
        first, written = writer.recall([anna]), writer.write([record])
        second, more = writer.recall([anna, bob]), writer.write([record])
        before, after = await first, await second
        assert await written == await more == 0
        assert before == {anna: ()}
        assert ([each.sums[0] for each in after[anna]], after[bob]) == ([1], ())

    @pytest_twisted.ensureDeferred
    async def test_names_that_no_database_takes(self, writer: LedgerWriter) -> None:
        """A session is found under the name that it was written under, whatever that had to be."""
        name = SessionName("key:\ud800", "\udfff" + "x" * 500)
        await writer.write([evolve(RECORD, owner=name.owner, session=name.session)])
        assert len((await writer.recall([name]))[name]) == 1


class TroubleTests:
    """A file that cannot be used."""

    @pytest_twisted.ensureDeferred
    async def test_locked(self, reactor: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that somebody else has locked for long is unavailable, and can be written after that."""
        monkeypatch.setattr("claude_bridge.services.accounting.ledger_writer.PATIENCE", 0.05)
        writer = LedgerWriter(reactor, str(file))
        other = connect(str(file))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await writer.write([RECORD])
        other.rollback()
        other.close()
        assert await writer.write([RECORD]) == 0
        assert requests(file) == [RECORD.request_id]
        await writer.close()

    @pytest_twisted.ensureDeferred
    async def test_full(self, writer: LedgerWriter, file: Path) -> None:
        """Where the file must not grow a write fails as a whole; names that it had made are made anew later."""
        await writer.write([RECORD])
        full = [evolve(RECORD, request_id=f"req_{number}" * 9, model=f"model-{number}") for number in range(3000)]
        connection = writer._pool.connections[next(iter(writer._pool.connections))]
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(Unavailable, match="full"):
            await writer.write(full)
        assert requests(file) == [RECORD.request_id]
        connection.execute("PRAGMA max_page_count = 100000")
        assert await writer.write(full) == 0
        assert len(requests(file)) == 3001

    @pytest_twisted.ensureDeferred
    async def test_row_that_is_refused(self, writer: LedgerWriter, file: Path) -> None:
        """A row that the tables refuse would be refused for ever: that is no trouble that passes."""
        await writer.write([RECORD])
        connection = connect(str(file))
        connection.execute("CREATE UNIQUE INDEX once ON request (request_id)")
        connection.close()
        with pytest.raises(sqlite3.IntegrityError):
            await writer.write([RECORD])
        assert await writer.write([evolve(RECORD, request_id="another")]) == 0

    @pytest_twisted.ensureDeferred
    async def test_no_such_folder(self, reactor: Any, tmp_path: Path) -> None:
        """A folder that cannot be made is unavailable, with the system's words."""
        (tmp_path / "file").touch()
        writer = LedgerWriter(reactor, str(tmp_path / "file" / "ledger.sqlite"))
        with pytest.raises(Unavailable, match=r"(Not a directory|File exists)"):
            await writer.write([RECORD])
        await writer.close()

    @pytest_twisted.ensureDeferred
    async def test_newer(self, writer: LedgerWriter, file: Path) -> None:
        """The file of a newer version is told as that."""
        connection = connect(str(file))
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(NewerVersion):
            await writer.write([RECORD])

    @pytest_twisted.ensureDeferred
    async def test_broken(self, writer: LedgerWriter, file: Path) -> None:
        """A damaged file is told as that, and after it was put aside a new one is begun."""
        file.write_bytes(b"something else entirely, " * 400)
        with pytest.raises(Broken):
            await writer.write([RECORD])
        name = await writer.set_aside()
        assert (file.parent / name).read_bytes().startswith(b"something else")
        await writer.write([RECORD])
        assert requests(file) == [RECORD.request_id]

    @pytest_twisted.ensureDeferred
    async def test_broken_while_open(self, writer: LedgerWriter, file: Path) -> None:
        """A file that is damaged while it is open is told as that too, if not at once."""
        await writer.write([RECORD])
        connection = writer._pool.connections[next(iter(writer._pool.connections))]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = file.read_bytes()
        with file.open("r+b") as opened:
            opened.write(b"\xff" * len(content))
        connection.execute("PRAGMA shrink_memory")
        with pytest.raises(Broken):
            await writer.write([RECORD])
        await writer.set_aside()
        await writer.write([RECORD])
        assert requests(file) == [RECORD.request_id]

    @pytest_twisted.ensureDeferred
    async def test_thread_ends(self, reactor: Any, file: Path) -> None:
        """A writer that has written nothing makes no file, and closes; one that has leaves the file alone."""
        await LedgerWriter(reactor, str(file)).close()
        assert not file.exists()
        writer = LedgerWriter(reactor, str(file))
        await writer.write([RECORD])
        await writer.close()
        assert not any(thread.is_alive() for thread in writer._pool.threadpool.threads)
        assert [path.name for path in file.parent.iterdir()] == [file.name]
        assert sqlite3.threadsafety >= 1

    @pytest_twisted.ensureDeferred
    async def test_thread_that_is_busy(self, reactor: Any, file: Path) -> None:
        """A close that is cancelled interrupts what the database does, and waits for nothing."""
        writer = LedgerWriter(reactor, str(file))
        await writer.write([RECORD])
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        running = writer._run(lambda cursor: cursor.execute(endless).fetchone())
        closing = writer.close()
        await deferLater(reactor, 0.2)  # what the thread has not begun would not be interrupted
        closing.cancel()
        with pytest.raises(CancelledError):
            await closing
        with pytest.raises(Unavailable, match="interrupted"):
            await running
