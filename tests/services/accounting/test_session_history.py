"""Sessions are found by their owners, with what was before a restart, each request once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.python.failure import Failure

from claude_bridge.core.budgets import Limit, Meter, Scope, Use
from claude_bridge.services.accounting import session_questions
from claude_bridge.services.accounting.budget_counters import READ_SECONDS, BudgetCounters
from claude_bridge.services.accounting.ledger import BufferedLedger
from claude_bridge.services.accounting.ledger_database import Writer
from claude_bridge.services.accounting.ledger_entries import entry_of
from claude_bridge.services.accounting.session_history import FIND_SECONDS, SessionHistory
from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.store.booking import Booking
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Unavailable
from claude_bridge.services.accounting.store.past_sessions import past_agents
from claude_bridge.services.accounting.store.spending import Answer, Question, spent
from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.interfaces import RequestRecord, SessionName
from tests.services.accounting.test_request_log import ATTEMPT
from tests.services.accounting.test_tally import ANNA, OWNED

BOB = SessionName("key:bob", "s-1")
NOW = 1.7e9
COST = 5
METERS = (Meter("all", (), "day", "UTC", UTC), Meter("session", (), "session", "UTC", UTC))
LIMITS = tuple(Limit(name=each.kind, scope=Scope(each.kind), meter=each, unit="usd", amount=10**9) for each in METERS)


@define(eq=False)
class SlowWriter:
    """A `Writer` on a real file whose thread runs only when the test lets it, one call after the other.

    :ivar broken: the calls that fail at the moment.
    :ivar asked: the sessions that were asked for, in order.
    """

    connection: sqlite3.Connection
    broken: set[str] = field(factory=set)
    asked: list[tuple[SessionName, ...]] = field(factory=list)
    _booking: Booking = field(factory=Booking)
    _calls: list[tuple[str, Callable[[], Any], Deferred[Any]]] = field(factory=list)

    def write(self, records: Sequence[RequestRecord]) -> Deferred[int]:
        """Write them, when it is their turn."""

        def run() -> int:
            self._booking.book(self.connection.cursor(), [entry_of(each) for each in records])
            self.connection.commit()
            return 0

        return self._later("write", run)

    def recall(self, names: Sequence[SessionName]) -> Deferred[dict[SessionName, tuple[PastAgent, ...]]]:
        """Read what is there, when it is their turn."""
        self.asked.append(tuple(names))
        return self._later("recall", lambda: {each: past_agents(self.connection.cursor(), *each) for each in names})

    def spent(self, question: Question) -> Deferred[Answer]:
        """Read it, when it is its turn."""
        return self._later("spent", lambda: spent(self.connection.cursor(), question))

    def remove_old(self, now: float, keep: float) -> Deferred[int]:
        """Remove nothing."""
        del now, keep
        return succeed(0)

    def set_aside(self) -> Deferred[str]:
        """Do not."""
        raise NotImplementedError

    def close(self) -> Deferred[None]:
        """Forget what was not run: the process is gone."""
        self._calls.clear()
        return succeed(None)

    def run(self, most: int = 1000) -> None:
        """Let the thread run so many calls."""
        while self._calls and most:
            most -= 1
            what, call, done = self._calls.pop(0)
            if what in self.broken:
                done.errback(Unavailable("locked"))
            else:
                done.callback(call())

    def _later(self, what: str, call: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._calls.append((what, call, done))
        return done


@define(eq=False)
class Bridge:
    """The accounts of one process after the other, on one file.

    :ivar reads_budgets: whether what was spent of budgets is read too.
    :ivar opening: what waits for the file to be opened.
    """

    file: Path
    reads_budgets: bool = False
    clock: Clock = field(factory=Clock)
    writer: SlowWriter = field(init=False)
    tally: Tally = field(init=False)
    ledger: BufferedLedger = field(init=False)
    history: SessionHistory = field(init=False)
    budgets: BudgetCounters = field(init=False)
    opening: list[Deferred[Writer]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Start the first one."""
        self.start()

    def start(self) -> None:
        """Start."""
        self.opening.clear()
        self.writer = SlowWriter(connect(str(self.file)))
        self.tally = Tally(seconds=self.clock.seconds)
        self.ledger = BufferedLedger(
            path=str(self.file), keep=1e9, clock=self.clock, unix_time=lambda: NOW, open_writer=self._open
        )
        self.history = SessionHistory(tally=self.tally, ledger=self.ledger, clock=self.clock)
        self.budgets = BudgetCounters(seconds=self.clock.seconds, unix_time=lambda: NOW, accounts=self.ledger)
        self.budgets.follow(LIMITS)
        if self.reads_budgets:
            self.budgets.start()

    def _open(self) -> Deferred[Writer]:
        opened: Deferred[Writer] = Deferred()
        self.opening.append(opened)
        return opened

    def request(self, name: SessionName = ANNA, agent: str = "") -> None:
        """Let a request end."""
        record = evolve(
            OWNED,
            owner=name.owner,
            client=name.owner[4:],
            session=name.session,
            agent=agent,
            attempts=(evolve(ATTEMPT, started=NOW, cost=COST),),
        )
        for each in (self.tally, self.budgets, self.ledger):
            each.request_ended(record)

    def work(self, most: int = 1000) -> None:
        """Let the thread work for a while."""
        while self.opening:
            self.opening.pop().callback(self.writer)
        self.writer.run(most)

    def find(self, name: SessionName = ANNA) -> list[Session | None]:
        """Ask for a session; return the list that it comes into."""
        found: list[Session | None] = []
        self.history.find(name).addCallback(found.append)
        return found

    def settle(self) -> None:
        """Let everything be written."""
        self.writer.broken.clear()
        for _ in range(14):
            self.work()
            self.clock.advance(6)
            self.budgets.now()
        self.work()

    def spent(self, meter: Meter, name: SessionName) -> int:
        """Return what is spent of a budget, in pico-dollars."""
        use = Use(name.owner[4:], name.session, "")
        counter = self.budgets.counter(self.budgets.metered(meter), use, NOW)
        return 0 if counter is None else counter.usd

    def kill(self) -> None:
        """Lose what is not written, and start again."""
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.writer.close()
        self.writer.connection.close()
        self.start()

    def end(self) -> None:
        """Close the file."""
        self.writer.connection.close()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """Yield a bridge."""
    made = Bridge(tmp_path / "ledger.sqlite")
    yield made
    made.end()


def requests(found: list[Session | None]) -> int | None:
    """Return how many requests the session had that was found; None if there is none. It must be there by now."""
    (session,) = found
    return None if session is None else session.counts.requests


class TallyTests:
    """What the tally has."""

    def test_found_by_its_owner(self) -> None:
        """A session is there for its owner, and for nobody else."""
        tally = Tally(seconds=Clock().seconds)
        history = SessionHistory(tally=tally, ledger=None, clock=Clock())
        tally.request_ended(OWNED)
        found: list[Session | None] = []
        for name in (ANNA, BOB, SessionName("", "s-1"), SessionName("key:anna", "s-2")):
            history.find(name).addCallback(found.append)
        assert found == [tally.session(ANNA), None, None, None]
        assert found[0] is not None
        assert found[0].is_complete


class RestartTests:
    """A session that goes on after a restart."""

    def test_goes_on(self, bridge: Bridge) -> None:
        """What was before counts, as soon as the next write, and nobody had to ask for it."""
        bridge.request()
        bridge.request(agent="a-1")
        bridge.settle()
        bridge.kill()
        bridge.request()
        session = bridge.tally.session(ANNA)
        assert session is not None
        assert (session.counts.requests, session.is_complete) == (1, False)
        bridge.clock.advance(1)
        bridge.work()
        assert (session.counts.requests, session.is_complete) == (3, True)
        assert [name for name, _ in session.agents()] == ["a-1"]

    def test_before_its_first_request(self, bridge: Bridge) -> None:
        """Its owner sees it at once, as it was; other people do not."""
        bridge.request()
        bridge.settle()
        bridge.kill()
        mine, foreign = bridge.find(), bridge.find(BOB)
        bridge.work()
        assert (requests(mine), requests(foreign)) == (1, None)
        assert bridge.tally.session(BOB) is None
        bridge.request()
        assert requests(bridge.find()) == 2

    def test_asked_before_it_is_complete(self, bridge: Bridge) -> None:
        """Who asks between the first request and the next write gets the whole figures."""
        bridge.request()
        bridge.settle()
        bridge.kill()
        bridge.request()
        found = bridge.find()
        assert found == []
        bridge.work()
        assert requests(found) == 2

    def test_unknown_twice(self, bridge: Bridge) -> None:
        """A session that nobody knew is known from its first request on."""
        found = bridge.find()
        bridge.work()
        assert found == [None]
        bridge.request()
        found = bridge.find()
        bridge.work()
        assert requests(found) == 1

    def test_first_request_while_somebody_asks(self, bridge: Bridge) -> None:
        """A request that ends while the ledger is being asked counts once, whichever comes first."""
        bridge.request()
        bridge.settle()
        bridge.kill()
        found = bridge.find()
        bridge.request()
        bridge.settle()
        assert requests(found) == 2
        assert requests(bridge.find()) == 2

    def test_slow_ledger(self, bridge: Bridge) -> None:
        """Nobody waits for long: what the tally has is shown, and that it is not the whole."""
        bridge.request()
        found, unknown = bridge.find(), bridge.find(BOB)
        bridge.clock.advance(FIND_SECONDS)
        assert (requests(found), unknown) == (1, [None])
        assert found[0] is not None
        assert not found[0].is_complete
        bridge.settle()
        assert found[0].is_complete
        assert found[0].counts.requests == 1

    def test_cancelled(self, bridge: Bridge) -> None:
        """Nobody is asked for somebody who has left."""
        failures: list[Failure] = []
        finding = bridge.history.find(ANNA)
        finding.addErrback(failures.append)
        finding.cancel()
        assert [each.type for each in failures] == [CancelledError]
        bridge.clock.advance(1)
        assert bridge.clock.getDelayedCalls() == []

    def test_fault(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]) -> None:
        """A fault in reading is logged; the figures stay what they are, and are not called whole."""

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        bridge.request()
        monkeypatch.setattr("tests.services.accounting.test_session_history.past_agents", broken)
        found = bridge.find()
        for opened in bridge.opening:
            opened.callback(bridge.writer)
        _, _, done = bridge.writer._calls.pop()
        done.errback(ZeroDivisionError())
        assert requests(found) == 1
        assert found[0] is not None
        assert not found[0].is_complete
        assert {event["log_failure"].type for event in logged_failures} == {ZeroDivisionError}
        logged_failures.clear()


class RefusedTests:
    """A session whose earlier figures the ledger would not look for, as too many others waited."""

    @pytest.fixture(autouse=True)
    def refused(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a session have two requests before a restart and two since, of which the ledger was not asked."""
        for _ in range(2):
            bridge.request()
        bridge.settle()
        bridge.kill()
        with monkeypatch.context() as patch:
            patch.setattr(session_questions, "MOST_ASKED", 0)
            for _ in range(2):
                bridge.request()

    def look(self, bridge: Bridge) -> tuple[int | None, bool]:
        """Return how many requests somebody sees who looks now, and whether that is the whole."""
        found = bridge.find()
        bridge.work()
        (session,) = found
        return requests(found), session is not None and session.is_complete

    def test_is_asked_again(self, bridge: Bridge) -> None:
        """Who looks later sees the whole, each request once; and so it goes on."""
        bridge.settle()
        assert self.look(bridge) == (4, True)
        bridge.request()
        bridge.settle()
        assert self.look(bridge) == (5, True)

    def test_not_while_it_is_not_written(self, bridge: Bridge) -> None:
        """While the database cannot be used nobody asks it again, and who looks does not wait for it."""
        bridge.writer.broken = {"write"}
        for _ in range(3):
            bridge.clock.advance(6)
            bridge.work()
            assert requests(bridge.find()) == 2
            assert bridge.writer.asked == []
        bridge.settle()
        assert self.look(bridge) == (4, True)

    def test_request_that_ends_meanwhile(self, bridge: Bridge) -> None:
        """An answer that a request has overtaken is not the whole; the next one is."""
        bridge.settle()
        found = bridge.find()
        bridge.request()
        bridge.work()
        assert found[0] is not None
        assert (requests(found), found[0].is_complete) == (3, False)
        bridge.settle()
        assert self.look(bridge) == (5, True)

    def test_slow_ledger(self, bridge: Bridge) -> None:
        """Who looks gets what is known in time; the answer that comes later is for the next one."""
        bridge.settle()
        found = bridge.find()
        bridge.clock.advance(FIND_SECONDS)
        assert requests(found) == 2
        bridge.work()
        assert bridge.writer.asked == [(ANNA,)]
        assert requests(bridge.find()) == 4

    def test_refused_again(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        """If it is refused once more it is asked once more."""
        bridge.settle()
        with monkeypatch.context() as patch:
            patch.setattr(session_questions, "MOST_ASKED", 0)
            assert self.look(bridge) == (2, False)
        assert self.look(bridge) == (4, True)

    def test_lost(self, bridge: Bridge) -> None:
        """If the ledger has lost what it had nothing better will be known, and what was counted here stays."""
        bridge.settle()
        bridge.writer.connection.execute("DELETE FROM agent")
        assert self.look(bridge) == (2, True)


NAMES = st.sampled_from([ANNA, BOB, SessionName("key:anna", "s-2")])
STEPS = st.one_of(
    st.tuples(st.just("request"), NAMES, st.sampled_from(["", "a-1"])),
    st.tuples(st.just("find"), NAMES),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 0.2, 0.8, 6.0, READ_SECONDS])),
    st.tuples(st.just("work"), st.integers(1, 3)),
    st.tuples(st.just("break"), st.sets(st.sampled_from(["write", "recall", "spent"]))),
    st.tuples(st.just("look at budgets")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("refuse"), st.booleans()),
)


class RaceTests:
    """Whatever comes in whichever order."""

    @example([("request", ANNA, ""), ("work", 3), ("advance", 0.8), ("work", 3), ("kill",)])
    @example([("work", 3), ("advance", READ_SECONDS), ("request", ANNA, ""), ("look at budgets",)])
    @given(st.lists(STEPS, max_size=40))
    @example([("request", ANNA, ""), ("break", {"recall"}), ("advance", 0.8), ("work", 1)])
    @example(
        [("refuse", True), ("request", ANNA, ""), ("advance", 0.8), ("work", 3), ("refuse", False), ("find", ANNA)]
    )
    @example([("request", ANNA, ""), ("advance", 0.8), ("work", 2), ("kill",), ("find", ANNA), ("request", ANNA, "")])
    def test_each_request_counts_once(self, steps: list[tuple[Any, ...]]) -> None:
        """When all is written the figures of each session are those of the ledger: nothing twice, nothing missing.

        Requests, writes, questions, kills and a database that fails now and then may come in any order, the thread may
        be slow, and questions may be refused.
        """
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            bridge = Bridge(Path(folder) / "ledger.sqlite", reads_budgets=True)
            for what, *how in steps:
                match what:
                    case "request":
                        bridge.request(*how)
                    case "find":
                        bridge.find(*how)
                    case "advance":
                        bridge.clock.advance(*how)
                    case "work":
                        bridge.work(*how)
                    case "break":
                        bridge.writer.broken = set(*how)
                    case "refuse":
                        patch.setattr(session_questions, "MOST_ASKED", 0 if how[0] else 10)
                    case "look at budgets":
                        bridge.budgets.now()
                    case _:
                        bridge.kill()
            bridge.settle()
            patch.undo()
            rows = bridge.writer.connection.execute(
                "SELECT session.owner, session.text, session.requests FROM session"
            ).fetchall()
            written = Counter({SessionName(owner, text): number for owner, text, number in rows})
            for name in (ANNA, BOB, SessionName("key:anna", "s-2")):
                found = bridge.find(name)
                bridge.work()
                assert (requests(found) or 0) == written[name]
                assert all(session is None or session.is_complete for session in found)
                assert bridge.spent(METERS[1], name) == written[name] * COST
            assert bridge.spent(METERS[0], ANNA) == sum(written.values()) * COST
            bridge.end()
