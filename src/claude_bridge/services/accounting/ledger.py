"""Keeps the record of each request in a database, and never costs a request anything.

A record is appended to a buffer. Before a second is over what is in it is written in one transaction, in a thread;
nothing is imported, opened or made before there is something to write. If the database cannot be used the records wait
in memory, up to `MOST`; then the oldest are dropped, which is counted and logged. A kill loses at most what the last
second has brought, and the requests that were under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.interfaces import AttemptRecord, LedgerState, RequestRecord, SessionName

WRITE_SECONDS: Final = 0.8
"""From one write to the next, while there are records. With the time of the write itself a kill loses a second."""

RETRY_SECONDS: Final = 5.0
"""From a write that failed to the next one."""

TELL_SECONDS: Final = 60.0
"""How often a lasting trouble is logged."""

STOP_SECONDS: Final = 4.0
"""How long a stop waits for the last records to be written."""

CLOSE_SECONDS: Final = 0.5
"""How long it then waits for the database to be closed."""

MOST: Final = 50_000
"""Records that wait in memory, some 60 MB; more are dropped, the oldest first."""

BATCH: Final = 5_000
"""Records that one transaction writes."""

MOST_ASKED: Final = 5_000
"""Sessions that wait to be recalled."""

MOST_ASKING: Final = 100
"""Questions for one session that wait."""

FIRST_REMOVAL_SECONDS: Final = 600.0
"""From the start to the first removal of what is old: by then a clock that was wrong at the start of the machine is
right."""

REMOVAL_SECONDS: Final = 3_600.0

_log = Logger()


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


@define(eq=False, kw_only=True)
class BufferedLedger:
    """Implements `Ledger` on a database.

    :ivar path: where the database is, for the log.
    :ivar keep: how long requests are kept, in seconds; may be changed at any time.
    :ivar open_writer: returns a Deferred of the database's `Writer`; called when there is something to write.
    :ivar dropped: records that were dropped since the start, as the database could not be used for long.
    """

    path: str
    keep: float
    _clock: IReactorTime
    _unix_time: Callable[[], float]
    _open_writer: Callable[[], Deferred[Writer]]
    dropped: int = field(default=0, init=False)
    _asked: dict[SessionName, list[Deferred[Sequence[PastAgent]]]] = field(factory=dict, init=False)
    _hurried: bool = field(default=False, init=False)
    _waiting: deque[RequestRecord] = field(factory=lambda: deque(maxlen=MOST), init=False)
    _writer: Writer | None = field(default=None, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _writing: Deferred[Any] | None = field(default=None, init=False)
    _under_way: int = field(default=0, init=False)
    _idle: list[Deferred[None]] = field(factory=list, init=False)
    _write_began: float = field(default=0.0, init=False)
    _is_due: bool = field(default=False, init=False)
    _removal_due: float = field(init=False)
    _trouble: str = field(default="", init=False)
    _trouble_told: float | None = field(default=None, init=False)
    _last_write: float | None = field(default=None, init=False)
    _dropped_told: int = field(default=0, init=False)
    _began_anew: float | None = field(default=None, init=False)
    _refused: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    @_removal_due.default
    def _first_removal(self) -> float:
        return self._clock.seconds() + FIRST_REMOVAL_SECONDS

    @property
    def waiting(self) -> int:
        """The number of records that are not written yet."""
        return len(self._waiting)

    @property
    def state(self) -> LedgerState:
        """What it does now."""
        return LedgerState(
            file=self.path,
            waiting=len(self._waiting) + self._under_way,
            dropped=self.dropped,
            written=self._last_write,
            trouble=self._trouble,
        )

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Do nothing: an attempt is kept with its request, when that ends."""

    def request_ended(self, record: RequestRecord) -> None:
        """Keep a request for an answer of a model; what the bridge answers by itself is not kept."""
        if not record.model or self._refused:
            return
        waiting = self._waiting
        if len(waiting) == MOST:
            self.dropped += 1
        waiting.append(record)
        if self._timer is None and self._writing is None and not self._stopped:
            self._timer = self._clock.callLater(WRITE_SECONDS, self._write)

    def spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Deferred[Answer]:
        """Return what the database says was spent.

        ``begun`` is called once, before that is read, with the records that are not in the database; those that come
        after that call are not in it either. Fails with `Broken`, `Unavailable`, `NewerVersion` or `ImportError`.
        """
        return self.settled().addCallback(lambda _: self._spent(question, begun))

    def recall(self, name: SessionName, *, at_once: bool = False) -> Deferred[Sequence[PastAgent]]:
        """Return what the ledger has of a session, of the records that it has got by now; see `Ledger`.

        It is read in the thread that writes, and never after a record that comes later than the question was written:
        each write first reads what is asked for by then, and does not write if that fails.

        Records that wait at the moment of the question are not among it. Those of a session that nobody has asked for
        before are none, so this concerns sessions that were dropped and come back within a second.
        """
        if self._refused:
            return succeed(())
        asking = self._asked.get(name)
        if len(self._asked) >= MOST_ASKED if asking is None else len(asking) >= MOST_ASKING:
            return fail(Unavailable("too many questions for sessions wait"))
        waiting: Deferred[Sequence[PastAgent]] = Deferred(lambda cancelled: self._not_asked(name, cancelled))
        self._asked.setdefault(name, []).append(waiting)
        if at_once and self._writing is None and not self._stopped:
            self._begin(())
        elif at_once:
            self._hurried = True
        return waiting

    def settled(self) -> Deferred[None]:
        """Return a Deferred that fires when no write is under way."""
        if self._writing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._idle.append(waiting)
        return waiting

    def stop(self) -> Deferred[None]:
        """Write what is left, and close; wait no longer than `STOP_SECONDS` and `CLOSE_SECONDS`. Never fails."""
        self._stopped = True
        timer, self._timer = self._timer, None
        stop_timer(timer)
        stopping = self.settled().addCallback(lambda _: self._write_all())
        stopping.addTimeout(STOP_SECONDS, self._clock).addErrback(self._timed_out)
        return stopping.addCallback(lambda _: self._close())

    def _spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Deferred[Answer]:
        """Read, if nothing is written or read meanwhile; no write begins before it has ended."""
        if self._writing is not None:
            return self.spent(question, begun)
        if self._stopped or self._refused:
            return fail(Unavailable("it is not used"))
        begun(tuple(self._waiting))
        read: Deferred[Answer] = Deferred()
        opened = self._open_writer() if self._writer is None else succeed(self._writer)
        self._writing = opened.addCallback(self._spent_by, question).addCallbacks(read.callback, read.errback)
        self._writing.addErrback(lambda failure: _log.failure("budgets are not read", failure, event="fault"))
        self._writing.addBoth(lambda _: self._settle())
        return read

    def _spent_by(self, writer: Writer, question: Question) -> Deferred[Answer]:
        self._writer = writer
        return writer.spent(question)

    def _write_all(self) -> Deferred[None]:
        """Write until nothing is left, or a write fails; after a damaged file was put aside once more."""
        before, began_anew = len(self._waiting), self._began_anew
        if not before or self._refused:
            return succeed(None)
        self._write()

        def again(_: None) -> Deferred[None]:
            goes_on = len(self._waiting) < before or self._began_anew != began_anew
            return self._write_all() if goes_on else succeed(None)

        return self.settled().addCallback(again)

    def _close(self) -> Deferred[None] | None:
        if self._waiting or self._under_way:
            told = "may not be" if self._under_way else "are not"  # what hangs may still succeed
            _log.warn(
                "{count} requests " + told + " in the accounts, as {path} could not be written",
                event="ledger",
                count=len(self._waiting) + self._under_way,
                path=self.path,
            )
        writer, self._writer, self._closed = self._writer, None, True
        if writer is None:
            return None
        return writer.close().addTimeout(CLOSE_SECONDS, self._clock).addErrback(self._timed_out)

    def _timed_out(self, failure: Failure) -> None:
        failure.trap(TookTooLong)

    def _write(self) -> None:
        """Begin to write what waits, but no more than `BATCH`."""
        self._timer = None
        if self._writing is not None:
            self._is_due = True  # something is read; `_settle` goes on
            return
        waiting = self._waiting
        self._write_began = self._clock.seconds()
        self._begin([waiting.popleft() for _ in range(min(len(waiting), BATCH))])

    def _begin(self, batch: Sequence[RequestRecord]) -> None:
        """Begin to recall what is asked for, and to write ``batch``."""
        self._under_way = len(batch)
        self._hurried = False
        opened = self._open_writer() if self._writer is None else succeed(self._writer)
        writing: Deferred[Any] = opened.addCallback(self._written_by, batch)
        self._writing = writing
        writing.addBoth(self._ended).addCallbacks(self._written, self._failed, errbackArgs=(batch,))
        writing.addCallback(self._remove_old).addErrback(self._not_removed)
        writing.addErrback(lambda failure: _log.failure("accounts are not kept", failure, event="fault"))
        writing.addBoth(lambda _: self._settle())

    def _written_by(self, writer: Writer, batch: Sequence[RequestRecord]) -> Deferred[Any]:
        """Write the batch, if there is one; fires with how many could not be, or None if none was to be written."""
        self._writer = writer
        recalled: Deferred[Any] = self._recalled_by(writer)
        return recalled.addCallback(lambda _: writer.write(batch) if batch else None)

    def _recalled_by(self, writer: Writer) -> Deferred[None]:
        names = tuple(self._asked)
        if not names:
            return succeed(None)
        return writer.recall(names).addCallbacks(self._answer, self._not_recalled, errbackArgs=(names,))

    def _answer(self, found: Mapping[SessionName, Sequence[PastAgent]]) -> None:
        for name, past in found.items():
            for each in self._asked.pop(name, ()):
                each.callback(past)

    def _not_recalled(self, failure: Failure, names: Sequence[SessionName]) -> Failure | None:
        """Pass the failure on if the same can succeed later; a fault of ours must not stop what is to be written."""
        if failure.check(Broken, Unavailable, NewerVersion, ImportError):
            return failure
        for name in names:
            for each in self._asked.pop(name, ()):
                each.errback(failure)
        return None

    def _not_asked(self, name: SessionName, cancelled: Deferred[Sequence[PastAgent]]) -> None:
        waiting = self._asked[name]
        waiting.remove(cancelled)
        if not waiting:
            del self._asked[name]

    def _ended(self, result: Any) -> Any:  # noqa: ANN401 - passed on
        self._under_way = 0
        return result

    def _written(self, impossible: int | None) -> bool:
        if impossible is None:
            return False
        self.dropped += impossible
        self._last_write, self._trouble = self._unix_time(), ""
        if self._trouble_told is not None:
            self._trouble_told = None
            _log.info("accounts are written to {path} again", event="ledger", path=self.path)
        self._tell_dropped()
        return True

    def _failed(self, failure: Failure, batch: Sequence[RequestRecord]) -> Deferred[bool] | bool:
        """Keep the records of a write that failed, if it can succeed later."""
        if self._closed:  # and it was told that they may be lost
            return False
        if failure.check(NewerVersion, ImportError):
            self._refuse(str(failure.value))
            return False
        if not failure.check(Broken, Unavailable):  # a fault of ours, that would come again with these records
            self.dropped += len(batch)
            failure.raiseException()
        self._put_back(batch)
        if failure.check(Broken) and self._writer is not None and self._may_begin_anew():
            return self._begin_anew(self._writer, str(failure.value))
        self._tell_trouble(str(failure.value))
        return False

    def _settle(self) -> None:
        """Note that no write is under way, and when the next one begins."""
        self._writing = None
        is_due, self._is_due = self._is_due, False
        if is_due and self._waiting and not self._stopped:
            self._write()  # before anybody else has his turn, so that those who ask cannot put it off
        elif self._waiting and not self._stopped and self._timer is None:
            passed = self._clock.seconds() - self._write_began
            pause = 0.0 if len(self._waiting) >= BATCH else max(0.0, WRITE_SECONDS - passed)
            self._timer = self._clock.callLater(pause if self._trouble_told is None else RETRY_SECONDS, self._write)
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)
        if self._hurried and self._asked and not self._stopped and self._writing is None:
            self._begin(())

    def _put_back(self, batch: Sequence[RequestRecord]) -> None:
        """Put records before those that came after them; the oldest are dropped if there are too many."""
        kept = batch[max(0, len(batch) - (MOST - len(self._waiting))) :]
        self.dropped += len(batch) - len(kept)
        self._waiting.extendleft(reversed(kept))

    def _may_begin_anew(self) -> bool:
        """Return whether a broken file may be put aside: not one after the other, as on a disk that is broken."""
        now = self._clock.seconds()
        may = self._began_anew is None or now - self._began_anew >= TELL_SECONDS
        self._began_anew = now if may else self._began_anew
        return may

    def _begin_anew(self, writer: Writer, reason: str) -> Deferred[bool]:
        def renamed(name: str) -> bool:
            _log.warn(
                "{path} is damaged ({reason}); it was renamed to {aside}, and a new one is begun",
                event="ledger",
                path=self.path,
                reason=reason,
                aside=name,
            )
            return False

        def not_renamed(failure: Failure) -> bool:
            failure.trap(OSError)
            self._tell_trouble(reason)
            return False

        return writer.set_aside().addCallbacks(renamed, not_renamed)

    def _refuse(self, reason: str) -> None:
        """Keep nothing until the next start."""
        self._refused, self._trouble = True, reason
        self._waiting.clear()
        self._answer(dict.fromkeys(tuple(self._asked), ()))
        _log.warn("no accounts are kept in {path}: {reason}", event="ledger", path=self.path, reason=reason)

    def _tell_trouble(self, reason: str) -> None:
        """Log why nothing is written, at first and once a minute."""
        now, self._trouble = self._clock.seconds(), reason
        if self._trouble_told is None or now - self._trouble_told >= TELL_SECONDS:
            self._trouble_told = now
            self._dropped_told = self.dropped
            _log.warn(
                "accounts cannot be written to {path}: {reason}; requests are served all the same, {waiting} wait in "
                "memory to be written, {dropped} are lost",
                event="ledger",
                path=self.path,
                reason=reason,
                waiting=len(self._waiting),
                dropped=self.dropped,
            )

    def _tell_dropped(self) -> None:
        lost = self.dropped - self._dropped_told
        if lost:
            self._dropped_told = self.dropped
            _log.warn("{count} requests are not in the accounts", event="ledger", count=lost)

    def _remove_old(self, written: bool) -> Deferred[None] | None:
        """Remove a piece of what is old, if it is time to."""
        writer, now = self._writer, self._clock.seconds()
        if not written or writer is None or now < self._removal_due or self._stopped:
            return None
        self._removal_due = now + REMOVAL_SECONDS

        def removed(requests: int) -> None:
            if requests:  # there may be more
                self._removal_due = now

        return writer.remove_old(self._unix_time(), self.keep).addCallback(removed)

    def _not_removed(self, failure: Failure) -> None:
        failure.trap(Broken, Unavailable, NewerVersion)  # the next write says what is wrong


def in_file(path: str, reactor: Any) -> Callable[[], Deferred[Writer]]:  # noqa: ANN401 - a reactor is many interfaces
    """Return what opens a ledger in a SQLite file. It is imported in a thread, as that takes some milliseconds."""

    def imported() -> Any:  # noqa: ANN401 - a module
        from claude_bridge.services.accounting import ledger_writer  # noqa: PLC0415 - see above

        return ledger_writer

    def open_writer() -> Deferred[Writer]:
        importing: Deferred[Any] = deferToThreadPool(reactor, reactor.getThreadPool(), imported)
        return importing.addCallback(lambda module: module.LedgerWriter(reactor, path))

    return open_writer
