"""Tests for `claude_bridge.services.accounting.budget_counters`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.core.budgets import NOTHING, Amounts, Limit, Meter, Scope, Use
from claude_bridge.core.events import Usage
from claude_bridge.core.expected_answer import FIRST_OUTPUT
from claude_bridge.services.accounting.budget_counters import (
    MAX_UNWRITTEN,
    READ_SECONDS,
    RETRY_SECONDS,
    BudgetCounters,
)
from claude_bridge.services.accounting.ledger_entries import entry_of
from claude_bridge.services.accounting.store.errors import Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question, Span, Spent
from claude_bridge.services.interfaces import AttemptRecord, Records, RequestRecord
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

NOON = 1_764_504_000.0
"""12:00 UTC of 30 November 2025, in Unix seconds."""

HOUR = Span(round(NOON) * 1000, round(NOON + 3600) * 1000)
DAY = Span(round(NOON - 12 * 3600) * 1000, round(NOON + 12 * 3600) * 1000)

ALL = Meter("all", (), "day", "UTC", UTC)
HOURLY = Meter("all", (), "hour", "UTC", UTC)
ANNA = Meter("key", ("anna",), "day", "UTC", UTC)
GLM = Meter("model", ("box", "zai/glm"), "day", "UTC", UTC)
SESSION = Meter("session", (), "session", "UTC", UTC)
AGENT = Meter("agent", (), "session", "UTC", UTC)
METERS = (ALL, HOURLY, ANNA, GLM, SESSION, AGENT)
USE = Use("anna", "s-1", "a-1", "box", "zai/glm")


def limit(meter: Meter, name: str = "b", amount: int = 1000, **more: Any) -> Limit:
    """Make a budget in pico-dollars."""
    return Limit(name=name, scope=Scope(meter.kind), meter=meter, unit="usd", amount=amount, **more)


def attempt(usd: int | None = 100, tokens: int = 30, started: float = NOON, **more: Any) -> AttemptRecord:
    """Make the record of an attempt."""
    return evolve(ATTEMPT, cost=usd, usage=Usage(tokens - 10, 10), started=started, **more)


def request(*attempts: AttemptRecord, request_id: str = "req_1", **more: Any) -> RequestRecord:
    """Make the record of a request."""
    return evolve(RECORD, request_id=request_id, attempts=attempts or (attempt(),), **more)


@define(eq=False)
class HeldAccounts:
    """Accounts that are read when the test says so.

    :ivar unwritten: what they say is not written yet.
    """

    unwritten: list[RequestRecord] = field(factory=list)
    questions: list[Question] = field(factory=list)
    waiting: list[tuple[Deferred[Answer], Callable[[Sequence[RequestRecord]], None]]] = field(factory=list)

    def spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Deferred[Answer]:
        """Note the question."""
        reading: Deferred[Answer] = Deferred()
        self.questions.append(question)
        self.waiting.append((reading, begun))
        return reading

    def begin(self) -> Deferred[Answer]:
        """Begin to read; the test fires what is returned."""
        reading, begun = self.waiting.pop(0)
        begun(tuple(self.unwritten))
        return reading

    def give(self, *rows: Spent, sessions: dict[tuple[str, ...], tuple[int, int]] | None = None) -> None:
        """Answer the oldest question: each period has these rows."""
        question = self.questions[-1]
        self.begin().callback(Answer({span: list(rows) for span in question.periods}, sessions or {}))


@define(eq=False)
class Desk:
    """Counters, and what is around them."""

    now: float = NOON
    accounts: HeldAccounts = field(factory=HeldAccounts)
    counters: BudgetCounters = field(init=False)
    lines: list[LogEvent] = field(factory=list)

    @counters.default
    def _make(self) -> BudgetCounters:
        return BudgetCounters(seconds=lambda: self.now - NOON, unix_time=lambda: self.now, accounts=self.accounts)

    def follow(self, *limits: Limit) -> None:
        """Put budgets in force, and start."""
        self.counters.follow(limits)
        self.counters.start()

    def spent(self, meter: Meter, use: Use = USE) -> Amounts:
        """Return what is counted."""
        counter = self.counters.counter(self.counters.metered(meter), use, self.now)
        assert counter is not None
        return counter.spent

    def held(self, meter: Meter, use: Use = USE) -> Amounts:
        """Return what is held."""
        counter = self.counters.counter(self.counters.metered(meter), use, self.now)
        assert counter is not None
        return counter.held

    def told(self, event: str) -> list[str]:
        """Return the lines of one kind."""
        return [each["log_format"].format(**each) for each in self.lines if each["event"] == event]


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Yield a desk that reads what is logged."""
    made = Desk()

    @provider(ILogObserver)
    def keep(event: LogEvent) -> None:
        if str(event.get("event", "")).startswith("budget"):
            made.lines.append(event)

    globalLogPublisher.addObserver(keep)
    yield made
    globalLogPublisher.removeObserver(keep)


class CountTests:
    """What is counted."""

    def test_each_meter(self, desk: Desk) -> None:
        """A request counts for everybody, its key, its model, its session and its subagent."""
        desk.follow(*(limit(each) for each in METERS))
        desk.counters.request_ended(request(attempt(), attempt(usd=None), attempt(model="other")))
        assert [desk.spent(each) for each in METERS] == [
            *(Amounts(200, 90), Amounts(200, 90), Amounts(200, 90)),
            *(Amounts(100, 60), Amounts(200, 90), Amounts(200, 90)),
        ]

    def test_somebody_else(self, desk: Desk) -> None:
        """Another key, session or agent has a count of its own, and so has the same session under another key."""
        desk.follow(*(limit(each) for each in METERS))
        desk.counters.request_ended(request())
        assert desk.counters.counter(desk.counters.metered(ANNA), USE._replace(key="bob"), desk.now) is None
        assert desk.spent(SESSION, USE._replace(session="s-2")) == NOTHING
        assert desk.spent(SESSION, USE._replace(key="bob")) == NOTHING
        assert desk.spent(AGENT, USE._replace(agent="a-2")) == NOTHING
        assert desk.counters.counter(desk.counters.metered(AGENT), USE._replace(agent=""), desk.now) is None

    def test_attempt_of_the_last_period(self, desk: Desk) -> None:
        """An attempt counts in the period in which it began, as in the accounts."""
        desk.follow(limit(HOURLY), limit(ALL))
        desk.now = NOON + 3600
        desk.counters.request_ended(request(attempt(started=NOON + 3599), attempt(started=NOON + 3600.0004)))
        assert (desk.spent(HOURLY), desk.spent(ALL)) == (Amounts(100, 30), Amounts(200, 60))

    def test_impossible_numbers(self, desk: Desk) -> None:
        """Of what a backend reports no more counts than the ledger takes."""
        desk.follow(limit(ALL))
        absurd = evolve(attempt(usd=10**30), usage=Usage(10**18, 5, 1))
        desk.counters.request_ended(request(absurd))
        (written,) = entry_of(request(absurd)).attempts
        cost, *tokens = (each or 0 for each in (written.cost, written.input, written.cache_read, written.output))
        assert desk.spent(ALL) == Amounts(cost, sum(tokens))

    def test_next_period(self, desk: Desk) -> None:
        """With the next hour nothing is spent."""
        desk.follow(limit(HOURLY))
        desk.counters.request_ended(request())
        desk.now += 3600
        assert desk.spent(HOURLY) == NOTHING

    def test_reload(self, desk: Desk) -> None:
        """A reload keeps what is counted, also where the amount is another; a budget that was removed is forgotten."""
        desk.follow(limit(ALL), limit(ANNA))
        desk.counters.request_ended(request())
        desk.counters.follow([limit(ALL, amount=5, name="other")])
        assert desk.spent(ALL) == Amounts(100, 30)
        desk.counters.follow([limit(ALL), limit(ANNA)])
        assert desk.spent(ANNA) == NOTHING

    def test_without_budgets(self, desk: Desk) -> None:
        """Where there are none nothing is counted, held or read."""
        desk.follow()
        desk.counters.attempt_ended("req_1", ATTEMPT)
        desk.counters.request_ended(request())
        assert (desk.counters.held, desk.accounts.questions) == (0, [])

    def test_is_a_consumer_of_records(self, desk: Desk) -> None:
        """It takes what the ledger takes."""
        records: Records = desk.counters
        assert records is desk.counters


class HoldingTests:
    """What requests under way hold."""

    def hold(self, desk: Desk, request_id: str = "req_1") -> None:
        """Let an attempt begin."""
        counter = desk.counters.counter(desk.counters.metered(ALL), USE, desk.now)
        assert counter is not None
        desk.counters.hold(request_id, [counter], 500, 50)

    def test_until_the_end(self, desk: Desk) -> None:
        """An estimate becomes what the attempt has used, and with the request's end that is spent."""
        desk.follow(limit(ALL))
        self.hold(desk)
        assert desk.held(ALL) == Amounts(500, 50)
        desk.counters.attempt_ended("req_1", attempt())
        self.hold(desk)
        assert (desk.held(ALL), desk.spent(ALL)) == (Amounts(600, 80), NOTHING)
        desk.counters.attempt_ended("req_1", attempt())
        desk.counters.request_ended(request(attempt(), attempt()))
        assert (desk.held(ALL), desk.spent(ALL), desk.counters.held) == (NOTHING, Amounts(200, 60), 0)

    def test_given_up(self, desk: Desk) -> None:
        """An attempt that was not made holds nothing; what an earlier one has used stays held, once."""
        desk.follow(limit(ALL))
        self.hold(desk)
        desk.counters.attempt_ended("req_1", attempt())
        self.hold(desk)
        for _ in range(2):
            desk.counters.give_up("req_1")
        assert desk.held(ALL) == Amounts(100, 30)
        desk.counters.give_up("req_unknown")

    def test_request_without_attempts(self, desk: Desk) -> None:
        """A request whose client left before anything was sent gives everything back."""
        desk.follow(limit(ALL))
        self.hold(desk)
        desk.counters.request_ended(evolve(RECORD, attempts=()))
        assert (desk.held(ALL), desk.counters.held) == (NOTHING, 0)

    def test_budgets_that_were_removed(self, desk: Desk) -> None:
        """A reload without budgets leaves nothing behind of requests that began before."""
        desk.follow(limit(ALL))
        self.hold(desk)
        desk.counters.follow([])
        desk.counters.request_ended(request())
        assert desk.counters.held == 0

    def test_expected_output(self, desk: Desk) -> None:
        """How long an answer will be is learned of each model's good answers, never taken from max_tokens."""
        desk.follow(limit(ALL))
        assert desk.counters.expected("box", "zai/GLM").tokens == FIRST_OUTPUT
        for tokens, outcome in ((100, "ok"), (300, "ok"), (9000, "client_left")):
            record = evolve(ATTEMPT, usage=Usage(1, tokens), outcome=outcome, cost=10 * tokens)
            desk.counters.attempt_ended("r", record)
        expected = desk.counters.expected("box", "zai/GLM")
        assert (expected.tokens, expected.usd) == (200, 2000)
        assert desk.counters.expected("box", "other").tokens == FIRST_OUTPUT


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "bob"]),
        st.sampled_from(["", "s-1", "s-2"]),
        st.sampled_from(["", "a-1"]),
        st.lists(st.tuples(st.none() | st.integers(0, 10**12), st.integers(10, 10**5), st.floats(0, 5000))),
        st.floats(0, 3000),
    ),
    max_size=12,
)


class SumTests:
    """What is spent is the sum of the attempts of the period and the scope."""

    @given(STEPS)
    def test_random_requests(
        self, steps: list[tuple[str, str, str, list[tuple[int | None, int, float]], float]]
    ) -> None:
        """Whoever asks whatever, and however long it takes."""
        desk = Desk()
        desk.follow(*(limit(each) for each in METERS))
        ended: list[RequestRecord] = []
        for number, (key, session, agent, attempts, pause) in enumerate(steps):
            made = tuple(attempt(usd, tokens, round(desk.now - age, 3)) for usd, tokens, age in attempts)
            record = evolve(RECORD, request_id=str(number), client=key, session=session, agent=agent, attempts=made)
            for each in made:
                counter = desk.counters.counter(desk.counters.metered(ALL), USE, desk.now)
                assert counter is not None
                desk.counters.hold(str(number), [counter], 7, 7)
                desk.counters.attempt_ended(str(number), each)
            desk.counters.request_ended(record)
            ended.append(record)
            desk.now += pause
            for meter in METERS:
                counter = desk.counters.counter(desk.counters.metered(meter), USE, desk.now)
                assert counter is not None
                start, end = counter.period
                inside = [
                    each
                    for record in ended
                    for each in record.attempts
                    if start <= each.started < end
                    and meter.who(USE)
                    == meter.who(Use(record.client, record.session, record.agent, each.backend, each.model.lower()))
                ]
                usd = sum(each.cost or 0 for each in inside)
                tokens = sum(each.usage.prompt_tokens + each.usage.output_tokens for each in inside if each.usage)
                assert counter.spent == Amounts(usd, tokens)
                assert counter.held == NOTHING


class ReadTests:
    """What was spent before the start."""

    def test_question(self, desk: Desk) -> None:
        """The periods that are not over are asked for, each once, and sessions where a budget is for them."""
        desk.follow(limit(ALL), limit(ANNA), limit(HOURLY))
        (question,) = desk.accounts.questions
        assert question == Question((DAY, HOUR), 0)
        desk.accounts.give()
        desk.counters.follow([limit(SESSION)])
        assert [each.periods for each in desk.accounts.questions[1:]] == [()]
        assert desk.accounts.questions[-1].sessions > 0

    def test_periods(self, desk: Desk) -> None:
        """Sums of the ledger are those of keys and models too, whatever a model's case."""
        desk.follow(limit(ALL), limit(ANNA), limit(GLM))
        desk.accounts.give(
            Spent("box", "ZAI/GLM", "anna", 1, 10), Spent("box", "x", "anna", 2, 20), Spent("y", "x", "client", 4, 40)
        )
        assert [desk.spent(each) for each in (ALL, ANNA, GLM)] == [Amounts(7, 70), Amounts(3, 30), Amounts(1, 10)]
        assert desk.told("budgets-read") == ["budgets go on from what is in the accounts"]

    def test_sessions(self, desk: Desk) -> None:
        """A session or an agent that was used before goes on; one of a forwarded credential is nobody's."""
        desk.follow(limit(SESSION), limit(AGENT))
        sessions = {("anna", "s-1"): (5, 50), ("anna", "s-1", "a-1"): (3, 30), ("client", "s-2"): (7, 70)}
        desk.accounts.give(sessions=sessions)
        assert (desk.spent(SESSION), desk.spent(AGENT)) == (Amounts(5, 50), Amounts(3, 30))
        desk.counters.request_ended(request())
        assert (desk.spent(SESSION), desk.spent(AGENT)) == (Amounts(105, 80), Amounts(103, 60))
        assert desk.spent(SESSION, Use("", "s-2", "")) == Amounts(7, 70)

    @pytest.mark.parametrize(("read", "key"), [("anna", "anna"), ("client", "")])
    def test_looking_at_a_session_that_was_read(self, desk: Desk, read: str, key: str) -> None:
        """What a session had spent is seen although it has asked nothing yet; of an unknown one nothing is kept."""
        desk.follow(limit(SESSION))
        desk.accounts.give(sessions={(read, "s-1"): (5, 50)})
        metered = desk.counters.metered(SESSION)
        for _ in range(2):
            found = desk.counters.known(metered, USE._replace(key=key), desk.now)
            assert found is not None
            assert found.spent == Amounts(5, 50)
        assert desk.counters.known(metered, USE._replace(session="s-2"), desk.now) is None
        assert len(list(metered.each.items())) == 1

    def test_session_that_was_asked_before(self, desk: Desk) -> None:
        """A session whose budget was looked at before the ledger was read goes on all the same."""
        desk.follow(limit(SESSION))
        assert desk.spent(SESSION) == NOTHING
        desk.accounts.give(sessions={("anna", "s-1"): (5, 50)})
        assert desk.spent(SESSION) == Amounts(5, 50)

    def test_before_it_arrives(self, desk: Desk) -> None:
        """Until then what this process counts decides; afterwards nothing is missing, and nothing is there twice."""
        desk.follow(limit(ALL), limit(SESSION))
        desk.counters.request_ended(request(request_id="in the ledger"))
        desk.accounts.unwritten.append(request(attempt(usd=20), request_id="waits"))
        desk.counters.request_ended(desk.accounts.unwritten[0])
        assert desk.spent(ALL) == desk.spent(SESSION) == Amounts(120, 60)
        reading = desk.accounts.begin()
        desk.counters.request_ended(request(attempt(usd=3), request_id="later"))
        assert desk.spent(ALL).usd == 123
        (span,) = desk.accounts.questions[0].periods
        old: dict[tuple[str, ...], tuple[int, int]] = {("anna", "s-1"): (1100, 0)}
        reading.callback(Answer({span: [Spent("box", "zai/GLM", "anna", 1100, 0)]}, old))
        assert desk.spent(ALL).usd == desk.spent(SESSION).usd == 1100 + 20 + 3

    def test_again(self, desk: Desk) -> None:
        """While there are requests it is read again each minute, so that other bridges on the file are seen."""
        desk.follow(limit(ALL))
        desk.accounts.give()
        desk.now += READ_SECONDS - 1
        desk.counters.now()
        assert len(desk.accounts.questions) == 1
        desk.now += 1
        desk.counters.now()
        desk.counters.now()
        assert len(desk.accounts.questions) == 2
        desk.accounts.give(Spent("box", "m", "bob", 9, 9))
        assert desk.spent(ALL) == Amounts(9, 9)

    def test_ledger_that_has_lost_something(self, desk: Desk) -> None:
        """Nobody gets back what was spent, if a damaged file was put aside, or a model is no more named in the sums."""
        desk.follow(limit(ALL), limit(GLM))
        desk.accounts.give(Spent("box", "zai/glm", "anna", 50, 5))
        desk.counters.request_ended(request())
        desk.now += READ_SECONDS
        desk.counters.now()
        desk.accounts.give(Spent("box", "other", "anna", 140, 9))
        assert (desk.spent(ALL), desk.spent(GLM)) == (Amounts(150, 35), Amounts(150, 35))

    def test_out_of_reach(self, desk: Desk) -> None:
        """A ledger that cannot be read is told of once, and asked again; counting goes on."""
        desk.follow(limit(ALL))
        desk.counters.request_ended(request())
        for _ in range(2):
            desk.accounts.begin().errback(Unavailable("database is locked"))
            desk.now += RETRY_SECONDS
            desk.counters.now()
        assert desk.spent(ALL) == Amounts(100, 30)
        (line,) = desk.told("budgets")
        assert "database is locked; requests are served all the same" in line

    def test_very_much_unwritten(self, desk: Desk) -> None:
        """After a long trouble it is read later: adding tens of thousands of requests would stop answers."""
        desk.follow(limit(ALL))
        desk.accounts.unwritten += [request()] * (MAX_UNWRITTEN + 1)
        desk.accounts.give(Spent("box", "m", "bob", 9, 9))
        assert desk.spent(ALL) == NOTHING
        desk.now += RETRY_SECONDS
        desk.counters.now()
        assert len(desk.accounts.questions) == 2

    def test_reading_that_hangs(self, desk: Desk) -> None:
        """A database that does not answer is asked once, and what ends meanwhile takes no memory without a bound."""
        desk.follow(limit(ALL))
        reading = desk.accounts.begin()
        for _ in range(MAX_UNWRITTEN + 10):
            desk.counters.request_ended(request())
        desk.now += 10 * READ_SECONDS
        desk.counters.now()
        assert len(desk.accounts.questions) == 1
        reading.callback(Answer({}, {}))
        assert desk.spent(ALL).tokens == 30 * (MAX_UNWRITTEN + 10)

    def test_period_that_ends_meanwhile(self, desk: Desk) -> None:
        """What was spent in the last hour is not counted in this one."""
        desk.follow(limit(HOURLY))
        reading = desk.accounts.begin()
        desk.now += 3600
        reading.callback(Answer({HOUR: [Spent("box", "m", "bob", 9, 9)]}, {}))
        assert desk.spent(HOURLY) == NOTHING

    @pytest.mark.parametrize("by", [-3600, 3600])
    def test_clock_that_is_set(self, desk: Desk, by: float) -> None:
        """A period that begins anew, also an earlier one, is read at the next request: something was spent of it."""
        desk.follow(limit(HOURLY))
        desk.accounts.give()
        desk.now += 1
        assert desk.spent(HOURLY) == NOTHING
        set_to = desk.now + by
        counter = desk.counters.counter(desk.counters.metered(HOURLY), USE, set_to)
        assert counter is not None
        assert counter.spent == NOTHING
        desk.counters.now()
        assert len(desk.accounts.questions) == 2

    def test_budget_that_is_added_meanwhile(self, desk: Desk) -> None:
        """A budget that a reload adds while the ledger is read is read at once after it."""
        desk.follow(limit(ALL))
        desk.counters.follow([limit(ALL), limit(HOURLY)])
        desk.accounts.give()
        assert len(desk.accounts.questions) == 2
        desk.accounts.give(Spent("box", "m", "bob", 9, 9))
        assert desk.spent(HOURLY) == Amounts(9, 9)

    def test_no_accounts(self) -> None:
        """Where no accounts are kept, budgets count from the start of the process on."""
        counters = BudgetCounters(seconds=lambda: 0.0, unix_time=lambda: NOON)
        counters.follow([limit(ALL)])
        counters.start()
        counters.request_ended(request())
        counter = counters.counter(counters.metered(ALL), USE, NOON)
        assert counter is not None
        assert counter.spent == Amounts(100, 30)


class WarningTests:
    """What the log is told."""

    def test_once_each(self, desk: Desk) -> None:
        """It warns once when the part is reached, and once when all is spent; the next period again."""
        desk.follow(limit(HOURLY, amount=250))
        for number in range(4):
            desk.counters.request_ended(request(request_id=str(number)))
        assert [line.split(": $")[0] for line in desk.told("budget")] == [
            "the budget b (for all) has reached 80 %",
            "the budget b (for all) is spent",
        ]
        before = len(desk.lines)
        desk.now += 3600
        desk.counters.request_ended(request(attempt(usd=300, started=desk.now)))
        assert len(desk.lines) == before + 1

    def test_who(self, desk: Desk) -> None:
        """A session and an agent are named."""
        desk.follow(limit(AGENT, amount=100))
        desk.counters.request_ended(request())
        (event,) = desk.lines
        assert (event["key"], event["session"], event["agent"]) == ("anna", "s-1", "a-1")

    def test_after_the_start(self, desk: Desk) -> None:
        """A budget that was spent before the start is told of again."""
        desk.follow(limit(ALL, amount=100))
        desk.accounts.give(Spent("box", "m", "bob", 100, 1))
        assert len(desk.told("budget")) == 1

    def test_unknown_price(self, desk: Desk) -> None:
        """A model without a price is told of once, with what to do; budgets in tokens count it."""
        desk.follow(limit(ALL))
        for _ in range(2):
            desk.counters.request_ended(request(attempt(usd=None)))
        (line,) = desk.told("budget-unpriced")
        assert line == (
            "budgets in dollars do not count zai/GLM at backend box, as its price is not known: write "
            "[price:box/zai/GLM] with input and output"
        )
        assert desk.spent(ALL) == Amounts(0, 60)

    def test_unknown_price_and_tokens(self, desk: Desk) -> None:
        """Who limits tokens alone need know no price."""
        desk.follow(evolve(limit(ALL), unit="tokens"))
        desk.counters.request_ended(request(attempt(usd=None)))
        assert desk.told("budget-unpriced") == []
