"""The buffer in front of the ledger's database: when it is written, and what happens when it cannot be."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
import pytest_twisted
from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.services.accounting import ledger as module
from claude_bridge.services.accounting import session_questions
from claude_bridge.services.accounting.ledger import WRITE_SECONDS, BufferedLedger
from claude_bridge.services.accounting.ledger_database import Writer, in_file
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question, Span
from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import Ledger, LedgerState, RequestRecord, SessionName
from tests.services.accounting.store.books import rows
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
"""A program that has a database locked until its standard input ends."""


@define(eq=False)
class KeptWrites:
    """A `Writer` that keeps what it gets, or fails as it is told.

    :ivar trouble: what the next writes fail with.
    :ivar answer: the Deferred of what is read; None to succeed at once.
    :ivar held: the Deferred of the next write, which the test fires; None to succeed at once.
    :ivar past: what is known of sessions.
    :ivar recall_trouble: what the next questions for sessions fail with.
    :ivar recall_held: what the next such question waits for.
    :ivar order: what was asked for, in order.
    :ivar closing: that of `close`, likewise.
    """

    written: list[list[str]] = field(factory=list)
    trouble: Exception | None = None
    held: Deferred[int] | None = None
    removals: list[tuple[float, float]] = field(factory=list)
    removal_trouble: Exception | None = None
    left_to_remove: int = 0
    aside: int = 0
    past: dict[SessionName, tuple[PastAgent, ...]] = field(factory=dict)
    recalled: list[tuple[SessionName, ...]] = field(factory=list)
    recall_trouble: Exception | None = None
    recall_held: Deferred[None] | None = None
    order: list[str] = field(factory=list)
    closed: bool = False
    closing: Deferred[None] | None = None
    questions: list[Question] = field(factory=list)
    answer: Deferred[Answer] | None = None

    def spent(self, question: Question) -> Deferred[Answer]:
        """Keep the question; the test answers it if it has set `answer`."""
        self.questions.append(question)
        return succeed(Answer({}, {})) if self.answer is None else self.answer

    def write(self, records: Sequence[RequestRecord]) -> Deferred[int]:
        """Keep the ids of the records."""
        if self.trouble is not None:
            return fail(self.trouble)
        self.written.append([each.request_id for each in records])
        self.order.append("write")
        return succeed(0) if self.held is None else self.held

    def recall(self, names: Sequence[SessionName]) -> Deferred[dict[SessionName, tuple[PastAgent, ...]]]:
        """Return what is set."""
        self.recalled.append(tuple(names))
        self.order.append("recall")
        if self.recall_trouble is not None:
            return fail(self.recall_trouble)
        found = {name: self.past.get(name, ()) for name in names}
        held: Deferred[Any] = succeed(None) if self.recall_held is None else self.recall_held
        return held.addCallback(lambda _: found)

    def remove_old(self, now: float, keep: float) -> Deferred[int]:
        """Note it."""
        self.removals.append((now, keep))
        if self.removal_trouble is not None:
            return fail(self.removal_trouble)
        self.left_to_remove, removed = max(0, self.left_to_remove - 1), self.left_to_remove
        return succeed(removed)

    def set_aside(self) -> Deferred[str]:
        """Count it, and be whole again."""
        self.aside, self.trouble = self.aside + 1, None
        return succeed("ledger.sqlite.broken")

    def close(self) -> Deferred[None]:
        """Note it."""
        self.closed = True
        return succeed(None) if self.closing is None else self.closing


@define(eq=False)
class Desk:
    """A ledger on kept writes, and what it logs."""

    clock: Clock = field(factory=Clock)
    writer: KeptWrites = field(factory=KeptWrites)
    opened: int = 0
    ledger: BufferedLedger = field(init=False)
    lines: list[str] = field(factory=list)

    @ledger.default
    def _make_ledger(self) -> BufferedLedger:
        return BufferedLedger(
            path="/state/ledger.sqlite",
            keep=50.0,
            clock=self.clock,
            unix_time=lambda: 1e9 + self.clock.seconds(),
            open_writer=self._open,
        )

    def _open(self) -> Deferred[Writer]:
        self.opened += 1
        return succeed(self.writer)

    def book(self, *ids: str) -> None:
        """Let requests end."""
        for each in ids:
            self.ledger.request_ended(evolve(RECORD, request_id=each))


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Yield a desk."""
    made = Desk()

    @provider(ILogObserver)
    def keep(event: LogEvent) -> None:
        if event.get("event") == "ledger":
            made.lines.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(keep)
    yield made
    globalLogPublisher.removeObserver(keep)


class BufferTests:
    """When records are written."""

    def test_once_a_second(self, desk: Desk) -> None:
        """What comes within 0.8 s is written together, and nothing ticks while nothing comes."""
        assert (desk.opened, desk.clock.getDelayedCalls()) == (0, [])
        desk.book("a", "b")
        desk.clock.advance(0.79)
        assert desk.writer.written == []
        desk.clock.advance(0.01)
        assert (desk.writer.written, desk.clock.getDelayedCalls()) == ([["a", "b"]], [])
        desk.book("c")
        desk.clock.advance(1)
        assert (desk.writer.written, desk.opened) == ([["a", "b"], ["c"]], 1)

    def test_only_requests_for_a_model(self, desk: Desk) -> None:
        """Lists of models and wrong paths are not kept, so that nobody fills the file with them."""
        desk.ledger.request_ended(evolve(RECORD, model=""))
        desk.ledger.attempt_ended("req_1", ATTEMPT)
        assert desk.ledger.waiting == 0

    def test_while_a_write_is_under_way(self, desk: Desk) -> None:
        """One write at a time; the next begins 0.8 s after the last one began, or when that has ended."""
        held: Deferred[int] = Deferred()
        desk.writer.held = held
        desk.book("a")
        desk.clock.advance(1)
        desk.book("b")
        desk.clock.advance(0.5)
        assert desk.writer.written == [["a"]]
        desk.writer.held = None
        held.callback(0)
        desk.clock.advance(0.29)
        assert desk.writer.written == [["a"]]
        desk.clock.advance(0.02)
        assert desk.writer.written == [["a"], ["b"]]

    def test_large_batches(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is more than one transaction should have is written in several, without a pause."""
        monkeypatch.setattr(module, "BATCH", 2)
        desk.book("a", "b", "c", "d", "e")
        desk.clock.advance(1)
        desk.clock.advance(0)
        assert desk.writer.written == [["a", "b"], ["c", "d"]]
        desk.clock.advance(1)
        assert desk.writer.written[2:] == [["e"]]

    def test_is_a_ledger(self, desk: Desk) -> None:
        """It is what the process wants of a ledger."""
        ledger: Ledger = desk.ledger
        assert ledger.keep == 50


class ReadingTests:
    """What budgets read of it."""

    SPAN = Span(0, 3_600_000)
    QUESTION = Question((SPAN,), 10)

    def read(self, desk: Desk) -> tuple[list[list[str]], list[Any]]:
        """Begin to read; return what was told not to be written, and then the answer or why there is none."""
        told: list[list[str]] = []
        result: list[Any] = []
        reading = desk.ledger.spent(self.QUESTION, lambda records: told.append([each.request_id for each in records]))
        reading.addBoth(result.append)
        return told, result

    def test_what_is_not_written(self, desk: Desk) -> None:
        """Records that wait are told, and are not written before the reading has ended."""
        desk.writer.answer = Deferred()
        desk.book("a", "b")
        told, result = self.read(desk)
        desk.book("c")
        desk.clock.advance(5)
        assert (told, result, desk.writer.written) == ([["a", "b"]], [], [])
        desk.writer.answer.callback(Answer({self.SPAN: []}, {}))
        desk.clock.advance(1)
        assert (result, desk.writer.written) == ([Answer({self.SPAN: []}, {})], [["a", "b", "c"]])
        assert desk.opened == 1

    def test_after_a_write(self, desk: Desk) -> None:
        """What is being written is waited for: afterwards it is in the database, or it waits again."""
        desk.writer.held = Deferred()
        desk.book("a")
        desk.clock.advance(1)
        desk.book("b")
        told, result = self.read(desk)
        assert (told, desk.writer.questions) == ([], [])
        desk.writer.held.callback(0)
        assert (told, result) == ([["b"]], [Answer({}, {})])

    def test_delays_no_write(self, desk: Desk) -> None:
        """What waits is written when it would have been, or as soon as the reading has ended."""
        desk.book("a")
        desk.clock.advance(0.7)
        self.read(desk)
        desk.clock.advance(0.2)
        assert desk.writer.written == [["a"]]
        desk.book("b")
        desk.clock.advance(0.7)
        answer = desk.writer.answer = Deferred()
        self.read(desk)
        desk.clock.advance(0.2)
        answer.callback(Answer({}, {}))
        assert desk.writer.written == [["a"], ["b"]]

    def test_two_at_a_time(self, desk: Desk) -> None:
        """Readings follow each other, on one connection."""
        first = desk.writer.answer = Deferred()
        self.read(desk)
        told, result = self.read(desk)
        assert (told, len(desk.writer.questions)) == ([], 1)
        desk.writer.answer = None
        first.callback(Answer({}, {}))
        assert (told, result, desk.opened) == ([[]], [Answer({}, {})], 1)

    def test_more_and_more_who_read(self, desk: Desk) -> None:
        """What is due is written although somebody reads again each time that a reading ends."""
        desk.book("a")
        answer = desk.writer.answer = Deferred()
        self.read(desk)
        for _ in range(3):
            desk.clock.advance(1)
            self.read(desk)
            last, answer = answer, Deferred()
            desk.writer.answer = answer
            last.callback(Answer({}, {}))
        assert desk.writer.written == [["a"]]

    def test_trouble(self, desk: Desk) -> None:
        """A reading that fails says why, and writing goes on."""
        desk.writer.answer = fail(Unavailable("locked"))
        _, result = self.read(desk)
        assert result[0].check(Unavailable)
        desk.book("a")
        desk.clock.advance(1)
        assert desk.writer.written == [["a"]]

    def test_after_the_stop(self, desk: Desk) -> None:
        """After the end nothing is opened any more."""
        desk.ledger.stop()
        _, result = self.read(desk)
        assert result[0].check(Unavailable)
        assert desk.opened == 0


class TroubleTests:
    """A database that cannot be used."""

    def test_is_tried_again(self, desk: Desk) -> None:
        """What could not be written is written later, in its order; the trouble and its end are told once."""
        desk.writer.trouble = Unavailable("database or disk is full")
        desk.book("a", "b")
        desk.clock.advance(1)
        desk.book("c")
        desk.clock.advance(5)
        desk.writer.trouble = None
        desk.clock.advance(5)
        assert desk.writer.written == [["a", "b", "c"]]
        first, second = desk.lines
        assert first == (
            "accounts cannot be written to /state/ledger.sqlite: database or disk is full; requests are served all the "
            "same, 2 wait in memory to be written, 0 are lost"
        )
        assert second == "accounts are written to /state/ledger.sqlite again"

    def test_memory_is_bounded(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """If it lasts the oldest are dropped and counted; once a minute the log says how it stands."""
        monkeypatch.setattr(module, "MOST", 3)
        desk.writer.trouble = Unavailable("no space")
        desk.ledger._waiting = type(desk.ledger._waiting)(maxlen=3)
        desk.book("a", "b")
        desk.clock.advance(1)
        desk.book("c", "d", "e")
        desk.clock.pump([5] * 13)
        assert (desk.ledger.dropped, desk.ledger.waiting) == (2, 3)
        desk.writer.trouble = None
        desk.clock.pump([5, 5])
        assert desk.writer.written == [["c", "d", "e"]]
        assert desk.lines[1].endswith("3 wait in memory to be written, 2 are lost")
        assert len(desk.lines) == 3

    def test_room_for_what_came_meanwhile(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Records of a write that failed make room for those that came while it was under way."""
        monkeypatch.setattr(module, "MOST", 3)
        desk.ledger._waiting = type(desk.ledger._waiting)(maxlen=3)
        held: Deferred[int] = Deferred()
        desk.writer.held = held
        desk.book("a", "b")
        desk.clock.advance(1)
        desk.book("c", "d")
        held.errback(Unavailable("no space"))
        desk.writer.held, desk.writer.written = None, []
        desk.clock.advance(5)
        assert (desk.writer.written, desk.ledger.dropped) == ([["b", "c", "d"]], 1)

    def test_broken_file(self, desk: Desk) -> None:
        """A damaged file is put aside and a new one begun, with the same records and a warning."""
        desk.writer.trouble = Broken("malformed")
        desk.book("a")
        desk.clock.advance(1)
        desk.clock.advance(1)
        assert (desk.writer.written, desk.writer.aside) == ([["a"]], 1)
        (line,) = desk.lines
        assert line == (
            "/state/ledger.sqlite is damaged (malformed); it was renamed to ledger.sqlite.broken, "
            "and a new one is begun"
        )

    def test_broken_disk(self, desk: Desk) -> None:
        """Where each new file is damaged at once the folder is not filled with them."""
        for _ in range(10):
            desk.writer.trouble = Broken("malformed")
            desk.book("a")
            desk.clock.advance(5)
        assert desk.writer.aside == 1

    @pytest.mark.parametrize("error", [NewerVersion("a newer version"), ImportError("No module named '_sqlite3'")])
    def test_refused(self, desk: Desk, error: Exception) -> None:
        """A newer version's file, or a Python without SQLite, is told once; nothing is kept, in memory neither."""
        desk.writer.trouble = error
        desk.book("a")
        desk.clock.advance(1)
        desk.book("b")
        desk.clock.advance(100)
        assert desk.ledger.waiting == 0
        assert desk.lines == [f"no accounts are kept in /state/ledger.sqlite: {error}"]

    def test_fault(self, desk: Desk, logged_failures: list[LogEvent]) -> None:
        """Records on which the writer has a fault are dropped, or they would keep all later ones from being written."""
        desk.writer.trouble = ZeroDivisionError()
        desk.book("a")
        desk.clock.advance(1)
        assert len(logged_failures) == 1
        logged_failures.clear()
        desk.writer.trouble = None
        desk.book("b")
        desk.clock.advance(1)
        assert (desk.writer.written, desk.ledger.dropped) == ([["b"]], 1)


ANNA = SessionName("key:anna", "s-1")
BOB = SessionName("key:bob", "s-1")
PAST = (PastAgent("", "", "", (3,) * 11, None),)


class RecallTests:
    """What was written before is read in its turn."""

    def asked(self, desk: Desk, name: SessionName = ANNA, *, at_once: bool = False) -> list[Any]:
        """Ask for a session; return the list that the answer comes into."""
        answers: list[Any] = []
        desk.ledger.recall(name, at_once=at_once).addBoth(answers.append)
        return answers

    def test_with_the_next_write(self, desk: Desk) -> None:
        """What is asked for is read before what comes later is written, so that nothing is counted twice."""
        desk.writer.past[ANNA] = PAST
        answers, more = self.asked(desk), self.asked(desk, BOB)
        desk.book("a")
        assert (desk.opened, answers) == (0, [])
        desk.clock.advance(1)
        assert (answers, more) == ([PAST], [()])
        assert (desk.writer.recalled, desk.writer.order) == ([(ANNA, BOB)], ["recall", "write"])
        desk.book("b")
        desk.clock.advance(1)
        assert desk.writer.order == ["recall", "write", "write"]

    def test_at_once(self, desk: Desk) -> None:
        """Somebody who waits is answered without a write; what waits is written when it is time to."""
        desk.writer.past[ANNA] = PAST
        desk.book("a")
        desk.clock.advance(0.5)
        assert self.asked(desk, at_once=True) == [PAST]
        assert desk.writer.written == []
        desk.clock.advance(0.3)
        assert desk.writer.written == [["a"]]
        assert desk.clock.getDelayedCalls() == []

    def test_at_once_while_a_write_is_under_way(self, desk: Desk) -> None:
        """The answer comes when the write has ended, although nothing else is to be written."""
        held: Deferred[int] = Deferred()
        desk.writer.held = held
        desk.book("a")
        desk.clock.advance(1)
        answers = self.asked(desk, at_once=True)
        assert answers == []
        held.callback(0)
        assert answers == [()]
        assert desk.clock.getDelayedCalls() == []

    def test_write_that_is_due_meanwhile(self, desk: Desk) -> None:
        """Records that come, or are due, while something is read are written after that, without delay."""
        held: Deferred[None] = Deferred()
        desk.book("a")
        desk.writer.recall_held = held
        answers = self.asked(desk, at_once=True)
        desk.book("b")
        desk.clock.advance(2)
        assert (answers, desk.writer.written) == ([], [])
        held.callback(None)
        desk.clock.advance(0)
        assert (answers, desk.writer.written) == ([()], [["a", "b"]])

    def test_more_and_more_who_ask(self, desk: Desk) -> None:
        """What is due is written although somebody else has asked each time that a question is answered."""
        desk.book("a")
        held = desk.writer.recall_held = Deferred()
        self.asked(desk, at_once=True)
        for number in range(3):
            desk.clock.advance(1)
            self.asked(desk, SessionName("key:bob", str(number)), at_once=True)
            last, held = held, Deferred()
            desk.writer.recall_held = held
            last.callback(None)
        assert desk.writer.written[0] == ["a"]

    def test_question_while_others_are_read(self, desk: Desk) -> None:
        """What comes after a question waits for it also if the write before it had begun."""
        held = desk.writer.recall_held = Deferred()
        self.asked(desk)
        desk.book("a")
        desk.clock.advance(1)
        answers = self.asked(desk, BOB)
        desk.book("b")
        desk.writer.recall_held = None
        held.callback(None)
        assert (answers, desk.writer.written) == ([], [["a"]])
        desk.clock.advance(1)
        assert (answers, desk.writer.written) == ([()], [["a"], ["b"]])
        assert desk.writer.order == ["recall", "write", "recall", "write"]

    def test_two_who_ask(self, desk: Desk) -> None:
        """A session that several ask for is read once, and both get the same."""
        first, second = self.asked(desk), self.asked(desk, at_once=True)
        assert (first, second) == ([()], [()])
        assert desk.writer.recalled == [(ANNA,)]

    def test_not_written_what_could_not_be_read(self, desk: Desk) -> None:
        """If it cannot be read nothing is written either: later it would be found among what was there before."""
        desk.writer.recall_trouble = Unavailable("locked")
        answers = self.asked(desk)
        desk.book("a")
        desk.clock.advance(1)
        assert (answers, desk.writer.written, desk.ledger.waiting) == ([], [], 1)
        desk.writer.recall_trouble = None
        desk.clock.advance(5)
        assert (answers, desk.writer.written) == ([()], [["a"]])

    def test_fault(self, desk: Desk, logged_failures: list[LogEvent]) -> None:
        """A fault in reading is told to whoever asked, and keeps nothing from being written."""
        desk.writer.recall_trouble = ZeroDivisionError()
        (answers, more) = self.asked(desk), self.asked(desk)
        desk.book("a")
        desk.clock.advance(1)
        assert [each.type for each in (*answers, *more)] == [ZeroDivisionError] * 2
        assert desk.writer.written == [["a"]]
        assert logged_failures == []

    @pytest.mark.parametrize("asked_before", [True, False])
    def test_refused(self, desk: Desk, asked_before: bool) -> None:
        """Where no accounts are kept there is nothing from before."""
        desk.writer.trouble = NewerVersion("newer")
        answers = self.asked(desk) if asked_before else []
        desk.book("a")
        desk.clock.advance(1)
        if not asked_before:
            answers = self.asked(desk)
        assert answers == [()]

    def test_cancelled(self, desk: Desk) -> None:
        """What nobody waits for any more is not read; somebody else who asked for the same still gets it."""
        desk.ledger.recall(ANNA).addErrback(lambda failure: failure.trap(CancelledError)).cancel()
        cancelled = desk.ledger.recall(BOB)
        cancelled.addErrback(lambda failure: failure.trap(CancelledError))
        other = self.asked(desk, BOB)
        cancelled.cancel()
        desk.book("a")
        desk.clock.advance(1)
        assert (desk.writer.recalled, other) == ([(BOB,)], [()])

    def test_bounded(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """While nothing can be read only so many wait."""
        monkeypatch.setattr(session_questions, "MOST_ASKED", 1)
        first, same, other = self.asked(desk), self.asked(desk), self.asked(desk, BOB)
        assert (first, same) == ([], [])
        assert other[0].check(Unavailable)

    def test_bounded_for_one_session(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """So do only so many for one session, which may be dropped and come back again and again."""
        monkeypatch.setattr(session_questions, "MOST_ASKING", 2)
        first, second, third = self.asked(desk), self.asked(desk), self.asked(desk)
        assert (first, second) == ([], [])
        assert third[0].check(Unavailable)

    def test_after_the_stop(self, desk: Desk) -> None:
        """After the end nothing is opened any more, and nobody is answered."""
        desk.ledger.stop()
        assert (self.asked(desk, at_once=True), desk.opened) == ([], 0)

    def test_after_a_damaged_file(self, desk: Desk) -> None:
        """The new file has nothing of the session, and says so."""
        desk.writer.recall_trouble = Broken("malformed")
        answers = self.asked(desk)
        desk.book("a")
        desk.clock.advance(1)
        assert desk.writer.aside == 1
        desk.writer.recall_trouble = None
        desk.clock.advance(1)
        assert (answers, desk.writer.written) == ([()], [["a"]])


class UnwrittenTests:
    """Whether all that the ledger has got of a session is in the database."""

    MINE = SessionName(RECORD.owner, RECORD.session)

    def test_until_it_is_written(self, desk: Desk) -> None:
        """What waits is not, nor what is being written; that of others does not count."""
        assert not desk.ledger.has_unwritten(self.MINE)
        held = desk.writer.held = Deferred()
        desk.book("a")
        assert (desk.ledger.has_unwritten(self.MINE), desk.ledger.has_unwritten(ANNA)) == (True, False)
        desk.clock.advance(1)
        assert (desk.ledger.has_unwritten(self.MINE), desk.ledger.has_unwritten(ANNA)) == (True, False)
        held.callback(0)
        assert not desk.ledger.has_unwritten(self.MINE)

    def test_write_that_failed(self, desk: Desk) -> None:
        """What could not be written waits again."""
        desk.writer.trouble = Unavailable("disk full")
        desk.book("a")
        desk.clock.advance(1)
        assert desk.ledger.has_unwritten(self.MINE)

    def test_many(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where many wait, as while the database cannot be used, nobody looks through them."""
        monkeypatch.setattr(module, "MOST_SEARCHED", 1)
        desk.book("a")
        assert not desk.ledger.has_unwritten(ANNA)
        desk.book("b")
        assert desk.ledger.has_unwritten(ANNA)


class StateTests:
    """What the owner can see of it."""

    def test_all_is_well(self, desk: Desk) -> None:
        """The file, what waits, and when something was written last."""
        desk.book("a")
        told = LedgerState(file="/state/ledger.sqlite", waiting=1, dropped=0, written=None, trouble="")
        assert desk.ledger.state == told
        desk.clock.advance(1)
        assert desk.ledger.state == evolve(told, waiting=0, written=1e9 + 1)

    def test_trouble(self, desk: Desk) -> None:
        """Why nothing is written is told until something is written again; to read something is not enough."""
        desk.writer.trouble = Unavailable("disk full")
        desk.book("a")
        desk.clock.advance(1)
        assert (desk.ledger.state.trouble, desk.ledger.state.waiting) == ("disk full", 1)
        desk.ledger.recall(ANNA, at_once=True)
        assert desk.ledger.state.trouble == "disk full"
        desk.writer.trouble = None
        desk.clock.advance(5)
        assert (desk.ledger.state.trouble, desk.ledger.state.written) == ("", 1e9 + 6)

    def test_under_way(self, desk: Desk) -> None:
        """What is being written waits still."""
        desk.writer.held = Deferred()
        desk.book("a")
        desk.clock.advance(1)
        desk.book("b")
        assert desk.ledger.state.waiting == 2

    def test_refused(self, desk: Desk) -> None:
        """A file of a newer version stays a trouble."""
        desk.writer.trouble = NewerVersion("newer")
        desk.book("a")
        desk.clock.advance(1)
        assert desk.ledger.state.trouble == "newer"


class RemovalTests:
    """What is old."""

    def test_once_an_hour(self, desk: Desk) -> None:
        """Ten minutes after the start, then hourly, what is old is removed after a write; by the wall clock."""
        desk.book("a")
        desk.clock.advance(1)
        assert desk.writer.removals == []
        for _ in range(130):
            desk.book("b")
            desk.clock.advance(60)
        assert [round(now - 1e9) // 60 for now, _ in desk.writer.removals] == [10, 70, 130]

    def test_in_pieces(self, desk: Desk) -> None:
        """While there is more, each write removes a piece, by what is kept now."""
        desk.writer.left_to_remove = 2
        desk.clock.advance(600)
        desk.ledger.keep = 30.0
        for _ in range(5):
            desk.book("a")
            desk.clock.advance(1)
        assert [keep for _, keep in desk.writer.removals] == [30.0] * 3

    def test_trouble(self, desk: Desk) -> None:
        """A removal that fails is left to the next hour; what was written is not written twice."""
        desk.clock.advance(600)
        desk.writer.removal_trouble = Unavailable("locked")
        desk.book("a")
        desk.clock.advance(1)
        desk.clock.advance(10)
        assert (desk.writer.written, desk.ledger.waiting, len(desk.writer.removals)) == ([["a"]], 0, 1)


class StopTests:
    """The end."""

    def test_writes_what_is_left(self, desk: Desk) -> None:
        """All that waits is written, then the database is closed; nothing ticks any more."""
        desk.book("a")
        stopped: list[None] = []
        desk.ledger.stop().addCallback(stopped.append)
        assert (desk.writer.written, desk.writer.closed, stopped) == ([["a"]], True, [None])
        assert desk.clock.getDelayedCalls() == []

    def test_waits_for_a_write(self, desk: Desk) -> None:
        """A write that is under way ends first; what came meanwhile is written after it."""
        held: Deferred[int] = Deferred()
        desk.writer.held = held
        desk.book("a")
        desk.clock.advance(1)
        desk.book("b")
        stopped: list[None] = []
        desk.ledger.stop().addCallback(stopped.append)
        assert stopped == []
        desk.writer.held = None
        held.callback(0)
        assert (desk.writer.written, stopped) == ([["a"], ["b"]], [None])

    def test_nothing_to_write(self, desk: Desk) -> None:
        """A ledger that was never needed opens nothing at the end either."""
        desk.ledger.stop()
        assert (desk.opened, desk.writer.closed) == (0, False)

    def test_trouble(self, desk: Desk) -> None:
        """What cannot be written at the end is told as lost, and the stop does not wait."""
        desk.writer.trouble = Unavailable("full")
        desk.book("a")
        stopped: list[None] = []
        desk.ledger.stop().addCallback(stopped.append)
        assert stopped == [None]
        assert desk.lines[-1] == "1 requests are not in the accounts, as /state/ledger.sqlite could not be written"

    def test_broken_file(self, desk: Desk) -> None:
        """What is left is written to the new file."""
        desk.writer.trouble = Broken("malformed")
        desk.book("a")
        desk.ledger.stop()
        assert (desk.writer.written, desk.writer.aside, desk.ledger.waiting) == ([["a"]], 1, 0)

    def test_hangs(self, desk: Desk) -> None:
        """A database that does not answer holds the stop for four seconds; what it had to write is told too."""
        desk.writer.held = Deferred()
        desk.book("a", "b")
        stopped: list[None] = []
        desk.ledger.stop().addCallback(stopped.append)
        desk.clock.advance(3.9)
        assert stopped == []
        desk.clock.advance(0.1)
        assert stopped == [None]
        assert desk.lines == ["2 requests may not be in the accounts, as /state/ledger.sqlite could not be written"]

    def test_ends_late(self, desk: Desk) -> None:
        """A write that fails after the stop has given it up is not told once more."""
        held: Deferred[int] = Deferred()
        desk.writer.held = held
        desk.book("a")
        desk.ledger.stop()
        desk.clock.advance(4)
        told = list(desk.lines)
        held.errback(Unavailable("interrupted"))
        assert (desk.lines, desk.clock.getDelayedCalls()) == (told, [])

    def test_reading_ends_late(self, desk: Desk) -> None:
        """What was to be written after a reading that hangs was told as lost, and nothing is opened for it any more."""
        answer = desk.writer.answer = Deferred()
        desk.ledger.spent(Question((Span(0, 2**53),), 1), do_nothing)
        desk.book("a")
        desk.clock.advance(1)
        desk.ledger.stop()
        desk.clock.advance(4)
        assert desk.lines == ["1 requests are not in the accounts, as /state/ledger.sqlite could not be written"]
        answer.callback(Answer({}, {}))
        assert (desk.writer.written, desk.opened, desk.clock.getDelayedCalls()) == ([], 1, [])

    def test_does_not_close(self, desk: Desk) -> None:
        """A database that cannot be closed either is left to itself after half a second."""
        cancelled: list[object] = []
        desk.writer.closing = Deferred(cancelled.append)
        desk.book("a")
        stopped: list[None] = []
        desk.ledger.stop().addCallback(stopped.append)
        desk.clock.advance(0.4)
        assert (stopped, cancelled) == ([], [])
        desk.clock.advance(0.1)
        assert (stopped, cancelled) == ([None], [desk.writer.closing])


class FileTests:
    """The whole, on a real file."""

    @pytest_twisted.ensureDeferred
    async def test_in_a_file(self, reactor: Any, tmp_path: Path) -> None:
        """Requests are in the file after a second; nothing is there before the first one."""
        clock, path = Clock(), tmp_path / "new" / "ledger.sqlite"
        ledger = BufferedLedger(
            path=str(path), keep=9e9, clock=clock, unix_time=lambda: 1e9, open_writer=in_file(str(path), reactor)
        )
        assert not path.parent.exists()
        ledger.request_ended(RECORD)
        clock.advance(1)
        await ledger.settled()
        connection = connect(str(path))
        assert rows(connection, "SELECT request_id FROM requests") == [(RECORD.request_id,)]
        ledger.request_ended(evolve(RECORD, request_id="last"))
        await ledger.stop()
        assert rows(connection, "SELECT count(*) FROM requests") == [(2,)]
        connection.close()

    @pytest_twisted.ensureDeferred
    async def test_stop_while_somebody_else_has_the_file(self, reactor: Any, tmp_path: Path) -> None:
        """While another program has the file locked a stop takes no more than five seconds, and stops nobody."""
        path = str(tmp_path / "ledger.sqlite")
        connect(path).close()
        ledger = BufferedLedger(
            path=path, keep=9e9, clock=reactor, unix_time=lambda: 1e9, open_writer=in_file(path, reactor)
        )
        other = Popen([sys.executable, "-c", HOLDER, path], stdin=PIPE, stdout=PIPE)  # noqa: ASYNC220 - nobody else waits
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        ledger.request_ended(RECORD)
        await deferLater(reactor, WRITE_SECONDS + 0.2)
        turns = [reactor.seconds()]
        loop = LoopingCall(lambda: turns.append(reactor.seconds()))
        loop.clock = reactor
        turning = loop.start(0.01)
        await ledger.stop()
        loop.stop()
        await turning
        other.stdin.close()
        other.wait()
        other.stdout.close()
        assert turns[-1] - turns[0] < 5
        assert max(later - earlier for earlier, later in itertools.pairwise(turns)) < 0.5
