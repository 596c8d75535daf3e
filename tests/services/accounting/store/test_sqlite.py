"""The file: who may read it, its versions, and what is wrong with one that cannot be used."""

from __future__ import annotations

import sqlite3
import stat
from importlib.resources import files
from pathlib import Path

import pytest

from claude_bridge.services.accounting.store import sqlite
from claude_bridge.services.accounting.store.errors import NewerVersion, NoLedger, NothingRecorded
from claude_bridge.services.accounting.store.sqlite import connect, open_to_read
from tests.services.accounting.store.books import entry, rows, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the ledger is to be."""
    return tmp_path / "state" / "ledger.sqlite"


def newest(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """Let there be more migrations."""
    known = sqlite._migrations()
    monkeypatch.setattr(sqlite, "_migrations", lambda: [*known, *more])


class NewFileTests:
    """A file that was not there."""

    def test_owner_only(self, file: Path) -> None:
        """The file, the files beside it and their new folder are readable for their owner alone."""
        connection = connect(str(file))
        write(connection, [entry()])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
        connection.close()
        assert modes == {"ledger.sqlite": 0o600, "ledger.sqlite-wal": 0o600, "ledger.sqlite-shm": 0o600}
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    def test_owner_only_behind_a_link(self, tmp_path: Path) -> None:
        """A symbolic link may lead to where there is no file yet."""
        link, target = tmp_path / "ledger.sqlite", tmp_path / "elsewhere.sqlite"
        link.symlink_to(target)
        connect(str(link)).close()
        assert stat.S_IMODE(target.stat().st_mode) == 0o600

    def test_settings(self, file: Path) -> None:
        """What was written survives a power cut, and readers do not wait for who writes."""
        connection = connect(str(file))
        assert rows(connection, "PRAGMA journal_mode") == [("wal",)]
        assert rows(connection, "PRAGMA synchronous") == [(2,)]
        assert rows(connection, "PRAGMA user_version") == [(sqlite.version(),)]
        connection.close()

    def test_is_used_again(self, file: Path) -> None:
        """A second start finds what the first has written, and the mode that its owner gave the file."""
        first = connect(str(file))
        write(first, [entry()])
        first.close()
        file.chmod(0o640)
        second = connect(str(file))
        assert rows(second, "SELECT session FROM requests") == [("s-1",)]
        second.close()
        assert stat.S_IMODE(file.stat().st_mode) == 0o640


class MigrationTests:
    """Files of other versions."""

    def test_scripts_are_numbered(self) -> None:
        """The scripts are numbered from 1 without a gap: their number is the file's version."""
        folder = files("claude_bridge.services.accounting.store") / "sqlite_migrations"
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
        assert names == [f"{number:04}.sql" for number in range(1, len(names) + 1)]

    def test_older_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An older file gets the tables that it lacks; a copy of it as it was is kept, for its owner alone."""
        first = connect(str(file))
        write(first, [entry()])
        first.close()
        newest(monkeypatch, "ALTER TABLE name ADD COLUMN more TEXT;\nCREATE TABLE later (x INTEGER);\n")
        second = connect(str(file))
        assert rows(second, "SELECT more FROM name LIMIT 1") == [(None,)]
        assert rows(second, "SELECT count(*) FROM attempts") == [(1,)]
        second.close()
        copy = file.with_name(f"ledger.sqlite.version-{sqlite.version() - 1}")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        kept = sqlite3.connect(copy)
        assert rows(kept, "PRAGMA user_version") == [(sqlite.version() - 1,)]
        assert rows(kept, "SELECT count(*) FROM attempts") == [(1,)]
        kept.close()

    def test_owners_of_older_sessions(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a file of version 1 the sessions of clients with keys are theirs; whose the others are nobody knows."""
        oldest, *later = sqlite._migrations()
        monkeypatch.setattr(sqlite, "_migrations", lambda: [oldest])
        first = connect(str(file))
        for key in ("alice", "client", ""):
            first.execute("INSERT INTO name (text) VALUES (?)", (key,))
            (name,) = first.execute("SELECT id FROM name WHERE text = ?", (key,)).fetchone()
            values = (None, "s-1", name, *(0,) * 13)
            first.execute(f"INSERT INTO session VALUES ({', '.join('?' for _ in values)})", values)  # noqa: S608
        first.close()
        monkeypatch.setattr(sqlite, "_migrations", lambda: [oldest, *later])
        second = connect(str(file))
        assert rows(second, "SELECT owner FROM session ORDER BY id") == [("key:alice",), ("*",), ("*",)]
        second.close()

    def test_failed_migration(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A migration that fails in its midst changes nothing."""
        connect(str(file)).close()
        newest(monkeypatch, "CREATE TABLE later (x INTEGER);\nCREATE TABLE later (x INTEGER);\n")
        with pytest.raises(sqlite3.OperationalError):
            connect(str(file))
        monkeypatch.undo()
        connection = connect(str(file))
        assert rows(connection, "SELECT name FROM sqlite_master WHERE name = 'later'") == []
        connection.close()

    def test_newer_file(self, file: Path) -> None:
        """A newer version's file is neither written nor read, and the error says why."""
        connection = connect(str(file))
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        for use in (connect, open_to_read):
            with pytest.raises(
                NewerVersion, match=r"newer version of claude-bridge \(tables 99, this version knows \d+\)"
            ):
                use(str(file))


class ReadingTests:
    """A connection beside the daemon."""

    def test_reads_what_was_just_written(self, file: Path) -> None:
        """While the daemon has the file open, what it has written is read, and nothing can be changed."""
        daemon = connect(str(file))
        write(daemon, [entry()])
        reader = open_to_read(str(file))
        assert rows(reader, "SELECT session FROM requests") == [("s-1",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM request")
        reader.close()
        daemon.close()

    def test_folder_that_may_not_be_written(self, file: Path) -> None:
        """A copy in a folder that nobody may write to is read too."""
        first = connect(str(file))
        write(first, [entry()])
        first.close()
        file.parent.chmod(0o500)
        reader = open_to_read(str(file))
        assert rows(reader, "SELECT session FROM requests") == [("s-1",)]
        reader.close()
        file.parent.chmod(0o700)

    def test_no_file(self, file: Path) -> None:
        """Without a file the error says what that means, and none is made."""
        with pytest.raises(NothingRecorded, match=r"there is no ledger at .*: no request has been recorded yet"):
            open_to_read(str(file))
        assert not file.exists()

    def test_empty_file(self, file: Path) -> None:
        """An empty file is a ledger without a request."""
        file.parent.mkdir()
        file.touch()
        with pytest.raises(NothingRecorded, match="is empty"):
            open_to_read(str(file))

    def test_other_file(self, file: Path) -> None:
        """A file that is something else is told as that."""
        file.parent.mkdir()
        file.write_bytes(b"something else entirely, " * 100)
        with pytest.raises(NoLedger, match="is no ledger, or a damaged one"):
            open_to_read(str(file))

    def test_folder_in_its_place(self, file: Path) -> None:
        """The system's own word is told for what cannot be opened at all."""
        file.mkdir(parents=True)
        with pytest.raises(NoLedger, match="Is a directory"):
            open_to_read(str(file))


class BrokenTests:
    """A damaged file."""

    def test_is_recognised(self, file: Path) -> None:
        """A file that is no database is broken, one that is only locked is not."""
        file.parent.mkdir()
        file.write_bytes(b"something else entirely, " * 100)
        with pytest.raises(sqlite3.DatabaseError) as caught:
            connect(str(file))
        assert sqlite.is_broken(caught.value)
        assert not sqlite.is_broken(sqlite3.OperationalError("database is locked"))
        assert not sqlite.is_broken(OSError(28, "full"))

    def test_is_set_aside(self, file: Path) -> None:
        """All its files get another name, so that a new one can be begun."""
        file.parent.mkdir()
        for ending in ("", "-wal"):
            Path(f"{file}{ending}").write_bytes(b"x")
        name = sqlite.set_aside(str(file))
        assert sorted(path.name for path in file.parent.iterdir()) == [name, f"{name}-wal"]
        assert name.startswith("ledger.sqlite.broken-2")
