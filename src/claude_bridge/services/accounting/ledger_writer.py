"""Writes the ledger's file, in a thread of its own, by ``adbapi``. Imported only when there is something to write."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar

from attrs import define, field
from twisted.enterprise import adbapi
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from claude_bridge.services.accounting.ledger_entries import entry_of, session_text, writable
from claude_bridge.services.accounting.ledger_trouble import tell_replaced
from claude_bridge.services.accounting.store import sqlite
from claude_bridge.services.accounting.store.booking import Booking, in_pieces
from claude_bridge.services.accounting.store.entries import Entry, PastAgent
from claude_bridge.services.accounting.store.errors import Broken, Unavailable
from claude_bridge.services.accounting.store.past_sessions import past_agents
from claude_bridge.services.accounting.store.removal import MOST_NAMES, PIECE, remove_old, remove_unused_names
from claude_bridge.services.accounting.store.spending import Answer, Question, spent
from claude_bridge.services.interfaces import RequestRecord, SessionName

PATIENCE: Final = 1.0
"""Seconds for which a write waits for another process that writes; it is tried again later, and a stop waits for it."""

Result = TypeVar("Result")

Identity = tuple[int, int]
"""Device and number of a file: another file in its place has other ones."""


class _DaemonThread(Thread):
    """A thread that nobody waits for at the exit of the process."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - those of Thread
        super().__init__(*arguments, **named, daemon=True)


def _possible_entry(record: RequestRecord) -> Entry | None:
    """Return the entry of a request, None if something in it is impossible."""
    try:
        return entry_of(record)
    except (ValueError, OverflowError):
        return None


@define(eq=False)
class LedgerWriter:
    """Implements `ledger_database.Writer` on SQLite.

    All methods return at once; what they began runs in the thread, one after the other. Their Deferreds, but that of
    `close`, fail with `Broken`, `Unavailable` or `NewerVersion`; with another error only after a fault of ours.
    """

    _reactor: Any
    _path: str
    _booking: Booking = field(factory=Booking, init=False)
    _pool: adbapi.ConnectionPool = field(init=False)
    _file: Identity | None = field(default=None, init=False)
    _most_names: int = field(default=MOST_NAMES, init=False)

    @_pool.default
    def _make_pool(self) -> adbapi.ConnectionPool:
        pool = adbapi.ConnectionPool(
            "claude_bridge.services.accounting.store.sqlite",
            self._path,
            PATIENCE,
            cp_reactor=self._reactor,
            cp_min=1,
            cp_max=1,
            cp_noisy=False,
        )
        pool.threadpool.threadFactory = _DaemonThread  # an exit does not wait for a disk that hangs
        return pool

    def write(self, records: Sequence[RequestRecord]) -> Deferred[int]:
        """Write records in one transaction; fires with how many could not be, as something in them is impossible."""
        return self._run(self._write, records)

    def recall(self, names: Iterable[SessionName]) -> Deferred[dict[SessionName, tuple[PastAgent, ...]]]:
        """Read what was written of sessions by now; of those that are not there, nothing."""
        return self._run(self._recall, tuple(names))

    def remove_old(self, now: float, keep: float) -> Deferred[int]:
        """Remove some of what is older than ``keep`` seconds at ``now``; fires with how many requests that were."""
        removing = self._run(self._remove_old, round(now * 1000), round(keep * 1000))
        return removing.addCallback(self._then_names)

    def spent(self, question: Question) -> Deferred[Answer]:
        """Read what was spent; writes that were begun earlier are among it."""
        return self._run(spent, question)

    def set_aside(self) -> Deferred[str]:
        """Rename a broken file, so that the next write begins a new one; fires with its new name."""
        renaming: Deferred[str] = deferToThreadPool(self._reactor, self._pool.threadpool, self._set_aside)
        return renaming

    def close(self) -> Deferred[None]:
        """Close the file, and end the thread, after what it does at the moment; fires when that is done.

        Cancelling the Deferred leaves the thread to itself: it ends when it can, and at the latest with the process.
        """
        closed: Deferred[None] = Deferred(lambda _: self._abandon())
        if not self._pool.running:
            closed.callback(None)
            return closed
        closing = deferToThreadPool(self._reactor, self._pool.threadpool, self._disconnect)
        closing.addErrback(lambda _: None)  # what could be written is in the file; the next start puts it in order

        def end(_: None) -> None:
            self._pool.close()  # the thread has nothing more to do, so nobody waits for it
            if not closed.called:
                closed.callback(None)

        closing.addCallback(end)
        return closed

    def _abandon(self) -> None:
        """Stop what the thread does, if SQLite does it, and let nobody wait for it."""
        self._reactor.removeSystemEventTrigger(self._pool.shutdownID)
        self._pool.shutdownID = None
        for connection in tuple(self._pool.connections.values()):
            connection.interrupt()

    def _run(self, call: Callable[..., Result], *arguments: object) -> Deferred[Result]:
        """Call a function in the thread, with a cursor; it ends with COMMIT, and is rolled back if it fails."""

        def run(connection: adbapi.Connection) -> Result:
            if self._file is not None and self._identity() != self._file:
                connection.reconnect()  # what is written to a file that was removed would be lost
                self._booking.forget()
                self._file = None
                self._reactor.callFromThread(tell_replaced, self._path)
            self._file = self._file or self._identity()
            result = call(connection.cursor(), *arguments)
            connection.commit()
            return result

        running: Deferred[Result] = self._pool.runWithConnection(run)
        return running.addErrback(self._translated)

    def _translated(self, failure: Failure) -> Failure:
        """Return one of our own errors for what the database says."""
        self._booking.forget()  # the numbers of names that were rolled back
        error = failure.value
        if sqlite.is_broken(error):
            return Failure(Broken(str(error)))
        if isinstance(error, sqlite3.OperationalError):
            return Failure(Unavailable(str(error)))
        if isinstance(error, OSError):
            return Failure(Unavailable(error.strerror or type(error).__name__))
        return failure

    def _write(self, cursor: Any, records: Sequence[RequestRecord]) -> int:  # noqa: ANN401 - of whatever database
        entries = [entry for entry in map(_possible_entry, in_pieces(records)) if entry is not None]
        self._booking.book(cursor, entries)
        return len(records) - len(entries)

    def _recall(
        self,
        cursor: Any,  # noqa: ANN401 - as above
        names: Sequence[SessionName],
    ) -> dict[SessionName, tuple[PastAgent, ...]]:
        found = {}
        for name in names:
            found[name] = past_agents(cursor, writable(name.owner), session_text(name.session))
            time.sleep(0)  # as in `_write`
        return found

    def _remove_old(self, cursor: Any, now: int, keep: int) -> int:  # noqa: ANN401 - as above
        return remove_old(cursor, now, keep)

    def _then_names(self, removed: int) -> Deferred[int] | int:
        """Remove unused names when no old request is left; the result is still how many requests were removed."""
        return removed if removed >= PIECE else self._run(self._remove_names).addCallback(lambda _: removed)

    def _remove_names(self, cursor: Any) -> int:  # noqa: ANN401 - as above
        left = remove_unused_names(cursor, self._most_names)
        if left is None:
            return 0
        self._most_names = max(MOST_NAMES, 2 * left)  # where so many are in use, do not read everything every hour
        self._booking.forget()
        return left

    def _disconnect(self) -> None:
        connection = self._pool.connections.get(self._pool.threadID())
        if connection is not None:
            self._pool.disconnect(connection)

    def _set_aside(self) -> str:
        self._disconnect()
        self._booking.forget()
        self._file = None
        return sqlite.set_aside(self._path)

    def _identity(self) -> Identity | None:
        try:
            found = Path(self._path).stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
