"""SQLite as the ledger's database: opens the file, and brings its tables up to date.

The module is given to ``adbapi`` as its database module, whose `connect` runs in the thread that the file belongs to.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from claude_bridge.services.accounting.store.errors import NewerVersion, NoLedger, NothingRecorded

apilevel: Final = sqlite3.apilevel
threadsafety: Final = sqlite3.threadsafety

LOCK_SECONDS: Final = 5.0
"""How long to wait for another process that writes."""

_MODE: Final = 0o600
_LARGEST_LOG: Final = 64 * 1024 * 1024
"""Bytes to which SQLite cuts the file beside the ledger (``-wal``) that holds what was written last."""

_BESIDE: Final = ("", "-wal", "-shm")
"""The endings of the names of a database's files."""

_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def connect(path: str, patience: float = LOCK_SECONDS) -> sqlite3.Connection:
    """Return a connection that writes, with the newest tables; creates file and directory if need be.

    ``patience`` is how many seconds it waits for another process that writes.
    No transaction is begun by itself: who writes says ``BEGIN IMMEDIATE``. Raises `sqlite3.Error`, `OSError`, and
    `NewerVersion`.
    """
    file = Path(path)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # where a symbolic link leads: SQLite would make it there, readable for everybody
        os.close(os.open(file.resolve(), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE))
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
        _migrate(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: str) -> sqlite3.Connection:
    """Return a connection that only reads, beside a daemon that writes. Raises `NoLedger` and `NewerVersion`."""
    try:
        return _opened_to_read(path)
    except sqlite3.Error as error:
        raise NoLedger(_unreadable(path, error)) from error
    except PermissionError as error:
        raise NoLedger(f"{path} may be read by the daemon's user alone: run this as that user, or with sudo") from error
    except OSError as error:
        raise NoLedger(f"{path}: {error.strerror or type(error).__name__}") from error


def is_broken(error: BaseException | None) -> bool:
    """Return whether an error says that the file is no database, or a damaged one."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _BROKEN


def set_aside(path: str) -> str:
    """Rename the files of a database so that somebody can look into them; return the new name. Raises `OSError`."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    file = Path(path)
    aside = file.with_name(f"{file.name}.broken-{stamp}")
    for ending in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{file}{ending}").replace(f"{aside}{ending}")
    return aside.name


def version() -> int:
    """Return the number of the newest migration."""
    return len(_migrations())


def _opened_to_read(path: str) -> sqlite3.Connection:
    if not Path(path).exists():
        raise NothingRecorded(f"there is no ledger at {path}: no request has been recorded yet")
    with Path(path).open("rb"):  # tells better than SQLite why it cannot be read
        pass
    try:
        return _checked(_read_only(path, "mode=ro"))
    except sqlite3.OperationalError as error:
        # without a daemon there may be no -shm file, and it cannot be made where this user must not write
        if _primary_code(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} or _has_log(path):
            raise
        return _checked(_read_only(path, "mode=ro&immutable=1"))


def _has_log(path: str) -> bool:
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def _read_only(path: str, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(path)}?{how}", uri=True, timeout=LOCK_SECONDS, isolation_level=None)


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a connection to tables that this version can read."""
    try:
        found = _version_of(connection)
    except BaseException:
        connection.close()
        raise
    if 0 < found <= version():
        return connection
    connection.close()
    if found:
        raise NewerVersion(_newer(found))
    raise NothingRecorded("the ledger is empty: no request has been recorded yet")


def _unreadable(path: str, error: sqlite3.Error) -> str:
    if is_broken(error):
        return f"{path} is no ledger, or a damaged one: {error}"
    return f"{path} cannot be read: {error}"


def _newer(found: int) -> str:
    return (
        f"the ledger was written by a newer version of claude-bridge (tables {found}, this version knows {version()})"
    )


def _primary_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _version_of(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _migrations() -> list[str]:
    """Return the texts of all migrations in their order; the first makes version 1."""
    folder = files("claude_bridge.services.accounting.store") / "sqlite_migrations"
    scripts = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    return [each.read_text("utf-8") for each in scripts]


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    """Run the migrations that the file has not had, each in a transaction; an existing file is copied before."""
    migrations, found = _migrations(), _version_of(connection)
    if found > len(migrations):
        raise NewerVersion(_newer(found))
    if 0 < found < len(migrations):
        _back_up(connection, file.with_name(f"{file.name}.version-{found}"))
    for number, script in enumerate(migrations, start=1):
        if number > found:
            _run(connection, number, script)


def _run(connection: sqlite3.Connection, number: int, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version_of(connection) < number:  # another process may have been faster
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: Python's own way to run one would commit in its midst."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the database to a file of its own, which replaces an earlier copy."""
    new = copy.with_name(f"{copy.name}.new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE))
    with contextlib.closing(sqlite3.connect(new)) as target:
        connection.backup(target)
    new.replace(copy)
