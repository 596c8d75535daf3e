"""Keeps the record of each request in a database, and never costs a request anything.

A record is appended to a buffer. Before a second is over what is in it is written in one transaction, in a thread;
nothing is imported, opened or made before there is something to write. If the database cannot be used the records wait
in memory, up to `MOST`; then the oldest are dropped, which is counted and logged. A kill loses at most what the last
second has brought, and the requests that were under way.

The database does one thing at a time, in turns, in the order in which they were wanted:

* a **write** of the records that wait by then; before it, what is asked of sessions by then is read, and if that fails
  nothing is written. So no answer has a record that came after the question;
* a **recall**, which reads what is asked of sessions alone, as somebody waits for an answer;
* a reading of what was **spent**, which is told at the beginning of its turn which records are not in the database. So
  nothing is written between that and the reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.services.accounting.ledger_database import LedgerDatabase, Writer
from claude_bridge.services.accounting.ledger_removal import LedgerRemoval
from claude_bridge.services.accounting.ledger_trouble import LedgerTrouble
from claude_bridge.services.accounting.session_questions import SessionQuestions
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question
from claude_bridge.services.callbacks import do_nothing, stop_timer
from claude_bridge.services.interfaces import AttemptRecord, LedgerState, RequestRecord, SessionName

WRITE_SECONDS: Final = 0.8
"""From one write to the next, while there are records. With the time of the write itself a kill loses a second."""

RETRY_SECONDS: Final = 5.0
"""From a write that failed to the next one."""

STOP_SECONDS: Final = 4.0
"""How long a stop waits for the last records to be written, before it closes the database."""

MOST: Final = 50_000
"""Records that wait in memory, some 60 MB; more are dropped, the oldest first."""

BATCH: Final = 5_000
"""Records that one transaction writes."""

MOST_SEARCHED: Final = 2_000
"""Unwritten records that are searched for those of a session; if there are more, some may be of it."""

_log = Logger()


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
    _waiting: deque[RequestRecord] = field(factory=lambda: deque(maxlen=MOST), init=False)
    _being_written: Sequence[RequestRecord] = field(default=(), init=False)
    _next_write: IDelayedCall | None = field(default=None, init=False)  # kept until that write has ended
    _turns: DeferredLock = field(factory=DeferredLock, init=False)
    _database: LedgerDatabase = field(init=False)
    _questions: SessionQuestions = field(factory=SessionQuestions, init=False)
    _recalls_soon: bool = field(default=False, init=False)
    _trouble: LedgerTrouble = field(init=False)
    _last_write: float | None = field(default=None, init=False)
    _removal: LedgerRemoval = field(init=False)
    _refused: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    @_database.default
    def _unopened(self) -> LedgerDatabase:
        return LedgerDatabase(self._open_writer, self._clock)

    @_trouble.default
    def _no_trouble(self) -> LedgerTrouble:
        return LedgerTrouble(self.path, self._clock.seconds)

    @_removal.default
    def _no_removal(self) -> LedgerRemoval:
        return LedgerRemoval(self._clock.seconds)

    @property
    def waiting(self) -> int:
        """The number of records that are not written yet."""
        return len(self._waiting)

    @property
    def state(self) -> LedgerState:
        """What it does now."""
        return LedgerState(
            file=self.path,
            waiting=len(self._waiting) + len(self._being_written),
            dropped=self.dropped,
            written=self._last_write,
            trouble=self._trouble.reason,
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
        if self._next_write is None and not self._stopped:
            self._next_write = self._clock.callLater(WRITE_SECONDS, self._write_in_turn)

    def recall(self, name: SessionName, *, at_once: bool = False) -> Deferred[Sequence[PastAgent]]:
        """Return what the ledger has of a session, of the records that it has got by now; see `Ledger`.

        While it cannot be read nothing is written either, as later it would be found among what was there before.

        Records that wait at the moment of the question are not among it. Those of a session that nobody has asked for
        before are none, so this concerns sessions that were dropped and come back within a second.
        """
        if self._refused:
            return succeed(())
        answer = self._questions.ask(name)
        if at_once and not self._recalls_soon:
            self._recalls_soon = True
            self._turns.run(self._recall).addErrback(_tell_fault)
        return answer

    def has_unwritten(self, name: SessionName) -> bool:
        """Return whether records of a session may wait to be written: they do, or too many wait to search them."""
        unwritten = len(self._being_written) + len(self._waiting)
        return unwritten > MOST_SEARCHED or any(
            (each.owner, each.session) == name for each in (*self._being_written, *self._waiting)
        )

    def spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Deferred[Answer]:
        """Return what the database says was spent.

        ``begun`` is called once, before that is read, with the records that are not in the database; those that come
        after that call are not in it either. Fails with `Broken`, `Unavailable`, `NewerVersion` or `ImportError`.
        """
        return self._turns.run(self._spent, question, begun)

    def settled(self) -> Deferred[None]:
        """Return a Deferred that fires when what is wanted of the database by now was done."""
        return self._turns.run(do_nothing)

    def stop(self) -> Deferred[None]:
        """Write what is left, and close; wait no longer than `STOP_SECONDS` and a little. Never fails."""
        self._stopped = True
        stop_timer(self._next_write)
        stopping = Deferred.fromCoroutine(self._write_all())
        stopping.addTimeout(STOP_SECONDS, self._clock).addErrback(_timed_out)
        return stopping.addCallback(lambda _: self._close())

    def _write_in_turn(self) -> None:
        self._turns.run(self._write).addErrback(_tell_fault)

    async def _write(self) -> None:
        """Write what waits, but no more than `BATCH`; then remove something of what is old, if it is time to."""
        if self._closed or self._refused:
            return
        began, waiting = self._clock.seconds(), self._waiting
        batch = self._being_written = [waiting.popleft() for _ in range(min(len(waiting), BATCH))]
        try:
            writer = await self._database.opened()
            await self._questions.read(writer.recall)
            impossible = await writer.write(batch)
        except Exception as error:  # noqa: BLE001 - a fault of ours is raised again
            await self._failed(error, batch)
        else:
            self._being_written = ()
            self.dropped += impossible
            self._last_write = self._unix_time()
            self._trouble.ends(lost=self.dropped)
            if not self._stopped:
                await self._removal.go_on(writer, self._unix_time(), self.keep)
        finally:
            self._plan_next_write(began)

    async def _recall(self) -> None:
        """Read what is asked of sessions."""
        self._recalls_soon = False
        if self._stopped or not self._questions:
            return
        try:
            await self._questions.read((await self._database.opened()).recall)
        except Exception as error:  # noqa: BLE001 - as above
            await self._failed(error)

    async def _spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Answer:
        if self._stopped or self._refused:
            raise Unavailable("it is not used")
        begun(tuple(self._waiting))
        return await (await self._database.opened()).spent(question)

    def _plan_next_write(self, began: float) -> None:
        """Set the time of the next write, after one that began at ``began``."""
        self._next_write = None
        if not self._waiting or self._stopped:
            return
        if self._trouble.lasts:
            pause = RETRY_SECONDS
        elif len(self._waiting) >= BATCH:
            pause = 0.0
        else:
            pause = max(0.0, began + WRITE_SECONDS - self._clock.seconds())
        self._next_write = self._clock.callLater(pause, self._write_in_turn)

    async def _failed(self, error: Exception, batch: Sequence[RequestRecord] = ()) -> None:
        """Keep the records that could not be written, if they can be later."""
        self._being_written = ()
        if self._closed:  # and it was told that they may be lost
            return
        if isinstance(error, (NewerVersion, ImportError)):
            self._refuse(str(error))
        elif isinstance(error, (Broken, Unavailable)):
            self._put_back(batch)
            aside = await self._database.set_aside() if isinstance(error, Broken) else ""
            if aside:
                self._trouble.set_aside(str(error), aside)
            else:
                self._trouble.begins(str(error), waiting=len(self._waiting), lost=self.dropped)
        else:  # it would come again with these records
            self.dropped += len(batch)
            raise error

    def _put_back(self, batch: Sequence[RequestRecord]) -> None:
        """Put records before those that came after them; the oldest are dropped if there are too many."""
        kept = batch[max(0, len(batch) - (MOST - len(self._waiting))) :]
        self.dropped += len(batch) - len(kept)
        self._waiting.extendleft(reversed(kept))

    def _refuse(self, reason: str) -> None:
        """Keep nothing until the next start."""
        self._refused = True
        self._waiting.clear()
        self._questions.answer_nothing()
        self._trouble.refused(reason)

    async def _write_all(self) -> None:
        """Write until nothing is left, or a write fails; after a damaged file was put aside once more."""
        await self.settled()
        goes_on = True
        while goes_on and self._waiting and not self._refused:
            before = len(self._waiting), self._database.last_set_aside
            self._write_in_turn()  # it is not awaited itself: a stop that gives up does not cancel it
            await self.settled()
            goes_on = len(self._waiting) < before[0] or self._database.last_set_aside != before[1]

    def _close(self) -> Deferred[None]:
        self._closed = True
        self._trouble.left(len(self._waiting), len(self._being_written))
        return self._database.close()


def _timed_out(failure: Failure) -> None:
    failure.trap(TookTooLong)


def _tell_fault(failure: Failure) -> None:
    _log.failure("accounts are not kept", failure, event="fault")
