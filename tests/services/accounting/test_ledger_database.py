"""The ledger's database is opened when it is needed, and closed without a long wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest_twisted
from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from claude_bridge.services.accounting.ledger_database import (
    CLOSE_SECONDS,
    SET_ASIDE_SECONDS,
    LedgerDatabase,
    Writer,
    in_file,
)
from claude_bridge.services.accounting.store.errors import Unavailable
from claude_bridge.services.accounting.store.sqlite import connect
from tests.services.accounting.store.books import rows
from tests.services.accounting.test_ledger import KeptWrites
from tests.services.accounting.test_request_log import RECORD

Result = TypeVar("Result")


def now(coroutine: Coroutine[Deferred[Any], Any, Result]) -> Result:
    """Return the result of a coroutine that has nothing to wait for."""
    results: list[Result] = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    (result,) = results
    return result


@define(eq=False)
class Desk:
    """A database.

    :ivar opening: what opening it returns; None to succeed at once.
    """

    clock: Clock = field(factory=Clock)
    writer: KeptWrites = field(factory=KeptWrites)
    opening: Deferred[Writer] | None = None
    opened: int = 0
    database: LedgerDatabase = field(init=False)

    @database.default
    def _make_database(self) -> LedgerDatabase:
        return LedgerDatabase(self._open, self.clock)

    def _open(self) -> Deferred[Writer]:
        self.opened += 1
        return succeed(self.writer) if self.opening is None else self.opening


class OpenTests:
    """The beginning."""

    def test_once(self) -> None:
        """It is opened when it is wanted first, and stays open."""
        desk = Desk()
        assert desk.opened == 0
        assert [now(desk.database.opened()), now(desk.database.opened())] == [desk.writer] * 2
        assert desk.opened == 1

    def test_trouble(self) -> None:
        """What could not be opened is opened the next time."""
        desk = Desk(opening=fail(Unavailable("locked")))
        failures: list[Any] = []
        Deferred.fromCoroutine(desk.database.opened()).addErrback(failures.append)
        assert failures[0].check(Unavailable)
        desk.opening = None
        assert now(desk.database.opened()) is desk.writer


class DamageTests:
    """A file that is damaged."""

    def test_set_aside(self) -> None:
        """It gets another name; the next one not at once, so that a broken disk is not filled."""
        desk = Desk()
        now(desk.database.opened())
        desk.clock.advance(5)
        assert now(desk.database.set_aside()) == "ledger.sqlite.broken"
        desk.clock.advance(SET_ASIDE_SECONDS - 1)
        assert now(desk.database.set_aside()) == ""
        assert desk.database.last_set_aside == 5
        desk.clock.advance(1)
        assert now(desk.database.set_aside()) == "ledger.sqlite.broken"
        assert desk.writer.aside == 2

    def test_cannot_be_renamed(self) -> None:
        """Where that fails it has no new name."""

        class NotRenamed(KeptWrites):
            def set_aside(self) -> Deferred[str]:
                return fail(PermissionError("no"))

        desk = Desk(writer=NotRenamed())
        now(desk.database.opened())
        assert now(desk.database.set_aside()) == ""

    def test_not_open(self) -> None:
        """What was never opened is not renamed."""
        assert now(Desk().database.set_aside()) == ""


class CloseTests:
    """The end."""

    def test_closes(self) -> None:
        """It is closed, once."""
        desk = Desk()
        now(desk.database.opened())
        closed: list[None] = []
        for _ in range(2):
            desk.database.close().addCallback(closed.append)
        assert (desk.writer.closed, closed) == (True, [None, None])

    def test_hangs(self) -> None:
        """One that does not close is left to itself."""
        cancelled: list[object] = []
        desk = Desk(writer=KeptWrites(closing=Deferred(cancelled.append)))
        now(desk.database.opened())
        closed: list[None] = []
        desk.database.close().addCallback(closed.append)
        assert closed == []
        desk.clock.advance(CLOSE_SECONDS)
        assert (closed, cancelled) == ([None], [desk.writer.closing])

    def test_not_open(self) -> None:
        """What was never opened is not opened to be closed."""
        desk = Desk()
        closed: list[None] = []
        desk.database.close().addCallback(closed.append)
        assert (closed, desk.opened) == ([None], 0)


class FileTests:
    """One in a file."""

    @pytest_twisted.ensureDeferred
    async def test_in_a_file(self, reactor: Any, tmp_path: Path) -> None:
        """It is a SQLite file, which is made with its folder when something is written."""
        path = tmp_path / "new" / "ledger.sqlite"
        writer = await in_file(str(path), reactor)()
        assert not path.parent.exists()
        assert await writer.write([RECORD]) == 0
        await writer.close()
        connection = connect(str(path))
        assert rows(connection, "SELECT request_id FROM requests") == [(RECORD.request_id,)]
        connection.close()

    def test_opens_nothing(self, tmp_path: Path) -> None:
        """Making what opens it starts no thread and opens no file."""
        opener: Callable[[], Deferred[Writer]] = in_file(str(tmp_path / "l.sqlite"), MemoryReactorClock())
        assert callable(opener)
        assert list(tmp_path.iterdir()) == []
