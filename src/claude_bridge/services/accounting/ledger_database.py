"""The ledger's database: opened when it is needed, set aside when it is damaged, closed without a long wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.spending import Answer, Question
from claude_bridge.services.interfaces import RequestRecord, SessionName

SET_ASIDE_SECONDS: Final = 60.0
"""From one damaged file that is set aside to the next: the folder on a broken disk is not filled with them."""

CLOSE_SECONDS: Final = 0.5
"""How long a stop waits for the database to be closed."""


class Writer(Protocol):
    """A database. The Deferreds fail with `Broken`, `Unavailable` or `NewerVersion`."""

    def write(self, records: Sequence[RequestRecord]) -> Deferred[int]:
        """Write records in one transaction; fires with how many could not be."""

    def recall(self, names: Sequence[SessionName]) -> Deferred[dict[SessionName, tuple[PastAgent, ...]]]:
        """Read what was written of sessions."""

    def remove_old(self, now: float, keep: float) -> Deferred[int]:
        """Remove some of what is older than ``keep`` seconds at ``now``; fires with how many requests that were."""

    def spent(self, question: Question) -> Deferred[Answer]:
        """Read what was spent."""

    def set_aside(self) -> Deferred[str]:
        """Put a broken database aside; fires with its new name."""

    def close(self) -> Deferred[None]:
        """Close the database; a Deferred that is cancelled leaves it to itself."""


@define(eq=False)
class LedgerDatabase:
    """A database that may not be open yet.

    :ivar last_set_aside: when it was set aside last, by the clock; None if it never was.
    """

    _open: Callable[[], Deferred[Writer]]
    _clock: IReactorTime
    last_set_aside: float | None = field(default=None, init=False)
    _writer: Writer | None = field(default=None, init=False)

    async def opened(self) -> Writer:
        """Return the open database; it is opened if it was not."""
        if self._writer is None:
            self._writer = await self._open()
        return self._writer

    async def set_aside(self) -> str:
        """Rename a damaged file, so that the next write begins a new one, and return its new name.

        Return "" if that cannot be done, or was done a moment ago, as it happens on a broken disk.
        """
        now, last = self._clock.seconds(), self.last_set_aside
        if self._writer is None or (last is not None and now - last < SET_ASIDE_SECONDS):
            return ""
        self.last_set_aside = now
        try:
            return await self._writer.set_aside()
        except OSError:
            return ""

    def close(self) -> Deferred[None]:
        """Close it, if it is open; after `CLOSE_SECONDS` it is left to itself. Never fails."""
        writer, self._writer = self._writer, None
        if writer is None:
            return succeed(None)
        return writer.close().addTimeout(CLOSE_SECONDS, self._clock).addErrback(_timed_out)


def _timed_out(failure: Failure) -> None:
    failure.trap(TookTooLong)


def in_file(path: str, reactor: Any) -> Callable[[], Deferred[Writer]]:  # noqa: ANN401 - a reactor is many interfaces
    """Return what opens a ledger in a SQLite file. It is imported in a thread, as that takes some milliseconds."""

    def imported() -> Any:  # noqa: ANN401 - a module
        from claude_bridge.services.accounting import ledger_writer  # noqa: PLC0415 - see above

        return ledger_writer

    def open_writer() -> Deferred[Writer]:
        importing: Deferred[Any] = deferToThreadPool(reactor, reactor.getThreadPool(), imported)
        return importing.addCallback(lambda module: module.LedgerWriter(reactor, path))

    return open_writer
