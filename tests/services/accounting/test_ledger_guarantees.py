"""What the ledger promises to those who read it beside its writes, whatever comes in whichever order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claude_bridge.services.accounting import ledger as module
from claude_bridge.services.accounting.ledger import RETRY_SECONDS, WRITE_SECONDS, BufferedLedger
from claude_bridge.services.accounting.ledger_database import Writer
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question, Span
from claude_bridge.services.interfaces import RequestRecord, SessionName
from tests.services.accounting.test_request_log import RECORD

NAMES = st.sampled_from([SessionName("key:anna", "s-1"), SessionName("key:bob", "s-1")])
EVERYTHING = ("recall", "write", "spent", "remove_old")
FAILING = st.sampled_from([(), (), (), ("recall",), ("recall",), ("write",), ("spent",), EVERYTHING, ("open",)])


@define(eq=False)
class SlowDatabase:
    """A `Writer` whose thread runs only when the test lets it, one call after the other.

    :ivar stored: what was written, in order.
    :ivar lost: what was in files that were damaged.
    :ivar failing: the calls that fail at the moment.
    :ivar is_damaged: whether all calls fail until the file is set aside.
    """

    stored: list[RequestRecord] = field(factory=list)
    lost: list[RequestRecord] = field(factory=list)
    failing: Sequence[str] = ()
    is_damaged: bool = False
    _calls: list[tuple[str, Callable[[], Any], Deferred[Any]]] = field(factory=list)

    def open(self) -> Deferred[Writer]:
        """Open it, when it is its turn."""
        return self._later("open", lambda: self)

    def write(self, records: Sequence[RequestRecord]) -> Deferred[int]:
        """Write them, when it is their turn."""

        def run() -> int:
            self.stored.extend(records)
            return 0

        return self._later("write", run)

    def recall(self, names: Sequence[SessionName]) -> Deferred[dict[SessionName, tuple[PastAgent, ...]]]:
        """Return one agent for each record of a session, by the record's id."""

        def found(name: SessionName) -> tuple[PastAgent, ...]:
            mine = (each for each in self.stored if (each.owner, each.session) == name)
            return tuple(PastAgent(each.request_id, "", "", (1,) + (0,) * 10, None) for each in mine)

        return self._later("recall", lambda: {name: found(name) for name in names})

    def spent(self, question: Question) -> Deferred[Answer]:
        """Return one sum for each record, by its id."""
        del question
        return self._later("spent", lambda: Answer({}, {(each.request_id,): (1, 1) for each in self.stored}))

    def remove_old(self, now: float, keep: float) -> Deferred[int]:
        """Remove nothing, when it is its turn."""
        del now, keep
        return self._later("remove_old", lambda: 0)

    def set_aside(self) -> Deferred[str]:
        """Begin a new file."""
        self.lost.extend(self.stored)
        self.stored, self.is_damaged = [], False
        return succeed("ledger.sqlite.broken")

    def close(self) -> Deferred[None]:
        """Do nothing."""
        return succeed(None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done."""
        return not self._calls

    def work(self) -> None:
        """Let the thread run the next call."""
        if not self._calls:
            return
        what, call, done = self._calls.pop(0)
        if self.is_damaged and what != "open":
            done.errback(Broken("malformed"))
        elif what in self.failing:
            done.errback(Unavailable("locked"))
        else:
            done.callback(call())

    def _later(self, what: str, call: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._calls.append((what, call, done))
        return done


@frozen(eq=False)
class Asked:
    """A question for a session.

    :ivar came: the ids of its requests that had ended by then.
    :ivar stored: those of them that were in the database.
    :ivar waited: those of them that nobody had begun to write.
    """

    name: SessionName
    came: frozenset[str]
    stored: frozenset[str]
    waited: frozenset[str]
    answer: Deferred[Sequence[PastAgent]]


class ReadingMachine(RuleBasedStateMachine):
    """Requests, both kinds of questions, a slow thread and a database that fails now and then, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "BATCH", 3)
        self.clock = Clock()
        self.database = SlowDatabase()
        self.ledger = BufferedLedger(
            path="l", keep=1e9, clock=self.clock, unix_time=self.clock.seconds, open_writer=self.database.open
        )
        self.came: list[RequestRecord] = []
        self.open: list[Asked] = []
        self.readings = 0
        self.failures: list[Failure] = []

    def ids(self, records: Sequence[RequestRecord], name: SessionName | None = None) -> frozenset[str]:
        """Return the ids of records, of one session or of all."""
        return frozenset(each.request_id for each in records if name in (None, (each.owner, each.session)))

    @rule(name=NAMES)
    def request(self, name: SessionName) -> None:
        """A request ends."""
        record = evolve(RECORD, request_id=f"r{len(self.came)}", owner=name.owner, session=name.session)
        self.came.append(record)
        self.ledger.request_ended(record)

    @rule(name=NAMES, at_once=st.booleans())
    def recall(self, name: SessionName, at_once: bool) -> None:
        """Somebody asks for a session: the answer has what was written before, and nothing that came later."""
        waiting = self.came[len(self.came) - self.ledger.waiting :]
        asked = Asked(
            name,
            self.ids(self.came, name),
            self.ids(self.database.stored, name),
            self.ids(waiting, name),
            self.ledger.recall(name, at_once=at_once),
        )
        self.open.append(asked)

        def answered(past: Sequence[PastAgent]) -> None:
            found = {str(each.agent) for each in past}
            assert len(found) == len(past)
            assert asked.stored - self.ids(self.database.lost) <= found <= asked.came
            assert not found & asked.waited

        def cancelled(failure: Failure) -> None:
            failure.trap(CancelledError)

        def ended(result: Failure | None) -> Failure | None:
            self.open.remove(asked)
            return result

        asked.answer.addCallbacks(answered, cancelled).addBoth(ended).addErrback(self.failures.append)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Somebody does not wait for an answer any more."""
        if self.open:
            data.draw(st.sampled_from(self.open)).answer.cancel()

    @rule()
    def spend(self) -> None:
        """Budgets are read: what is told at the beginning and what is found are together each request, once."""
        told: list[tuple[frozenset[str], frozenset[str]]] = []
        self.readings += 1

        def begun(unwritten: Sequence[RequestRecord]) -> None:
            assert [each.request_id for each in unwritten] == sorted(
                self.ids(unwritten), key=lambda name: int(name[1:])
            )
            told.append((self.ids(unwritten), self.ids(self.came)))

        def answered(answer: Answer) -> None:
            ((unwritten, came),) = told
            found = {name for (name,) in answer.sessions}
            assert not found & unwritten
            assert came - self.ids(self.database.lost) <= found | unwritten <= came

        def ended(failure: Failure | None) -> None:
            self.readings -= 1
            if failure is not None:
                failure.trap(Unavailable, Broken)
                assert len(told) == 1

        reading = self.ledger.spent(Question((Span(0, 2**53),), 1), begun)
        reading.addCallback(answered).addBoth(ended).addErrback(self.failures.append)

    @rule(seconds=st.sampled_from([0.0, 0.3, WRITE_SECONDS, RETRY_SECONDS, 90.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        """The clock goes on."""
        self.clock.advance(seconds)

    @rule()
    def work(self) -> None:
        """The thread does one thing."""
        self.database.work()

    @rule()
    def write(self) -> None:
        """It is time to write, and the thread does all that is to be done."""
        self.clock.advance(WRITE_SECONDS)
        while not self.database.is_idle:
            self.database.work()

    @rule(calls=FAILING, is_damaged=st.sampled_from([False] * 9 + [True]))
    def fail(self, calls: Sequence[str], is_damaged: bool) -> None:
        """Some things cannot be done from now on, such as on a full disk; or everything can be again."""
        self.database.failing, self.database.is_damaged = calls, is_damaged

    @invariant()
    def nothing_false(self) -> None:
        """No answer was false."""
        for each in self.failures:
            each.raiseException()

    def teardown(self) -> None:
        """At last, each request is written once, in its order, and everybody was answered."""
        self.database.failing, self.database.is_damaged = (), False
        self.request(SessionName("", "last"))  # those who are in no hurry are answered with the next write
        for _ in range(len(self.came) + 20):
            self.clock.advance(RETRY_SECONDS)
            while not self.database.is_idle:
                self.database.work()
        self.nothing_false()
        assert self.database.lost + self.database.stored == self.came
        assert (self.open, self.readings, self.ledger.waiting) == ([], 0, 0)
        assert self.clock.getDelayedCalls() == []
        self.patch.undo()


ReadingMachineTests = ReadingMachine.TestCase
ReadingMachineTests.settings = settings(max_examples=4 * settings().max_examples)  # a hundred find half of the faults
