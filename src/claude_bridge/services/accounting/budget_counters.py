"""Counts what is spent of budgets, as the accounts book it.

A request is counted when it ends, in the same turn of the reactor in which the ledger takes it; until then what its
attempts have used, or will probably use, is held. At the start, and from time to time while there are requests, the
ledger is read in its own thread, so that a restart changes nothing and several bridges on one file see each other.
Nothing ever waits for that: without the ledger what this process has counted decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.budget_periods import Period, period
from claude_bridge.core.budgets import NOTHING, Amounts, Counter, Holding, Limit, Meter, Use, Who
from claude_bridge.core.expected_answer import ExpectedAnswer
from claude_bridge.services.accounting.budget_log import BudgetLog
from claude_bridge.services.accounting.counts import of_attempt
from claude_bridge.services.accounting.ledger_entries import FORWARDED
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TOKENS
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.accounting.store.spending import Answer, Question, Span
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

MAX_COUNTED: Final = 20_000
"""Sessions, and agents, whose count is kept; the one that was not used for longest begins anew."""

MAX_READ: Final = 10_000
"""Sessions, and agents, that are read at the start, those that were used last."""

READ_SECONDS: Final = 60.0
"""How old the figures of other bridges on the same file may be when a request comes."""

RETRY_SECONDS: Final = 10.0
"""From a reading that failed to the next one."""

MAX_UNWRITTEN: Final = 2_000
"""Requests that are added to what was read, in 50 ms for three attempts each; if more wait, it is read later."""

MAX_MODELS: Final = 1_024
"""Models whose answers are remembered."""

_OF_SESSIONS: Final = ("session", "agent")

_log = Logger()


class SpentReader(Protocol):
    """The accounts, as far as budgets read them; `BufferedLedger` says more."""

    def spent(self, question: Question, begun: Callable[[Sequence[RequestRecord]], None]) -> Deferred[Answer]:
        """Return what was spent."""


@define(eq=False)
class Metered:
    """The counts of one meter.

    :ivar limits: the budgets of the configuration in force that it is for.
    :ivar only: the count where there is but one.
    :ivar each: the counts by whose they are.
    :ivar warn_usd: the pico-dollars from which on something is warned of.
    :ivar warn_tokens: the tokens from which on something is warned of.
    :ivar who: returns whose count a use belongs to; None if it is not counted here.
    """

    meter: Meter
    limits: list[Limit] = field(factory=list)
    only: Counter | None = None
    each: BoundedMap[Who, Counter] = field(factory=lambda: BoundedMap(MAX_COUNTED))
    warn_usd: float = math.inf
    warn_tokens: float = math.inf
    who: Callable[[Use], Who | None] = field(init=False)

    @who.default
    def _make_who(self) -> Callable[[Use], Who | None]:
        return self.meter.who

    def follow(self, limits: list[Limit]) -> None:
        """Count for these budgets."""
        self.limits = limits
        self.warn_usd = min((limit.warn_at for limit in limits if limit.unit == "usd"), default=math.inf)
        self.warn_tokens = min((limit.warn_at for limit in limits if limit.unit == "tokens"), default=math.inf)

    def put(self, who: Who, counter: Counter) -> None:
        """Store the count of somebody."""
        if who:
            self.each.put(who, counter)
        else:
            self.only = counter


@define(eq=False, kw_only=True)
class BudgetCounters:
    """Implements `Records`: what was spent, of each meter of the configuration in force.

    :ivar seconds: a monotonic clock.
    :ivar accounts: what is read; None where no accounts are kept.
    """

    _seconds: Callable[[], float]
    _unix_time: Callable[[], float]
    _accounts: SpentReader | None = None
    _known: dict[Meter, Metered] = field(factory=dict, init=False)
    _fed: tuple[Metered, ...] = field(default=(), init=False)
    _in_dollars: bool = field(default=False, init=False)
    _holdings: dict[str, Holding] = field(factory=dict, init=False)
    _answers: BoundedMap[tuple[str, str], ExpectedAnswer] = field(factory=lambda: BoundedMap(MAX_MODELS), init=False)
    _budget_log: BudgetLog = field(factory=BudgetLog, init=False)
    _started: bool = field(default=False, init=False)
    _new_sessions: bool = field(default=True, init=False)
    _read_due: float = field(default=0.0, init=False)
    _is_reading: bool = field(default=False, init=False)
    _reads_again: bool = field(default=False, init=False)
    _unwritten: list[RequestRecord] | None = field(default=None, init=False)
    _trouble_told: bool = field(default=False, init=False)
    _was_read: bool = field(default=False, init=False)
    _sessions: dict[Who, tuple[int, int]] = field(factory=dict, init=False)

    @property
    def held(self) -> int:
        """The number of requests that hold something."""
        return len(self._holdings)

    def follow(self, limits: Sequence[Limit]) -> None:
        """Count for these budgets from now on; what they count already is kept."""
        by_meter: dict[Meter, list[Limit]] = {}
        for limit in limits:
            by_meter.setdefault(limit.meter, []).append(limit)
        before = {each.meter for each in self._fed}
        self._known = {meter: self.metered(meter) for meter in by_meter}
        self._fed = tuple(self._known.values())
        for each in self._fed:
            each.follow(by_meter[each.meter])
        self._in_dollars = any(limit.unit == "usd" for limit in limits)
        added = by_meter.keys() - before
        self._new_sessions = self._new_sessions or any(meter.kind in _OF_SESSIONS for meter in added)
        if added and self._started:
            self._reads_again = self._is_reading
            self._read()

    def start(self) -> None:
        """Read what was spent before."""
        self._started = True
        self._read()

    def metered(self, meter: Meter) -> Metered:
        """Return the counts of a meter; nothing is counted unless a budget in force is for it."""
        found = self._known.get(meter)
        if found is None:
            found = self._known[meter] = Metered(meter)
        return found

    def counter(self, metered: Metered, use: Use, now: float) -> Counter | None:
        """Return the count of whoever uses something, of the period that is now; None if that is not counted."""
        found = self.known(metered, use, now)
        if found is not None:
            return found
        who = metered.who(use)
        return None if who is None else self._counter(metered, who, now)

    def known(self, metered: Metered, use: Use, now: float) -> Counter | None:
        """Return the count of whoever uses something as `counter` does; None also if nothing was counted yet.

        Nothing is kept of somebody who only asks, which is free: it could take the place of somebody else's count.
        """
        who = metered.who(use)
        if who is None:
            return None
        found = metered.each.get(who) if who else metered.only
        if found is not None and found.period.start <= now < found.period.end:  # nearly always
            return found
        if found is None and who and not self._has_earlier(who):
            return None
        return self._counter(metered, who, now)

    def now(self) -> float:
        """Return the time in Unix seconds; what was spent is read again if that was done long ago."""
        if self._started and self._seconds() >= self._read_due:
            self._read()
        return self._unix_time()

    def hold(self, request_id: str, counters: Iterable[Counter], usd: int, tokens: int) -> None:
        """Hold what an attempt will probably use."""
        holding = self._holdings.get(request_id)
        if holding is None:
            holding = self._holdings[request_id] = Holding()
        holding.hold(counters, usd, tokens)

    def give_up(self, request_id: str) -> None:
        """Release what is held for an attempt that was not made."""
        holding = self._holdings.get(request_id)
        if holding is not None:
            holding.release_last()

    def expected(self, backend: str, model: str) -> ExpectedAnswer:
        """Return what is to be expected of a model's next answer."""
        model_of_backend = backend, model
        found = self._answers.get(model_of_backend)
        if found is None:
            found = ExpectedAnswer()
            self._answers.put(model_of_backend, found)
        return found

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Hold what an attempt has used instead of what was expected, and learn what answers use."""
        holding = self._holdings.get(request_id)
        if holding is not None:
            holding.know(*_amounts(record))
        if self._fed and record.outcome == "ok" and record.usage is not None:
            self.expected(record.backend, record.model).learn(record.usage, record.cost)

    def request_ended(self, record: RequestRecord) -> None:
        """Count what the attempts of a request have used, and release what was held for it."""
        holding = self._holdings.pop(record.request_id, None)
        if holding is not None:
            holding.release()
        if not self._fed or not record.attempts:
            return
        if self._unwritten is not None and len(self._unwritten) <= MAX_UNWRITTEN:
            self._unwritten.append(record)
        now = self._unix_time()
        for attempt in record.attempts:
            use, started, (usd, tokens) = _use(record, attempt), _started(attempt), _amounts(attempt)
            for metered in self._fed:
                counter = self.counter(metered, use, now)
                if counter is None:
                    continue
                counter.book(started, usd, tokens)
                if counter.usd >= metered.warn_usd or counter.tokens >= metered.warn_tokens:
                    self._budget_log.tell(metered.limits, metered.who(use) or (), counter)
        if self._in_dollars:
            self._budget_log.tell_unpriced(record)

    def _counter(self, metered: Metered, who: Who, now: float) -> Counter:
        """Return somebody's count of the period that is now."""
        found = metered.each.get(who) if who else metered.only
        if found is None:
            found = Counter.at(metered.meter, now)
            found.spent = self._earlier(who)
            metered.put(who, found)
        elif found.follow(now):
            self._read_soon()
        return found

    def _has_earlier(self, who: Who) -> bool:
        """Return whether a session or an agent had spent something when the ledger was read that is not counted yet."""
        return who in self._sessions or (not who[0] and (FORWARDED, *who[1:]) in self._sessions)

    def _earlier(self, who: Who) -> Amounts:
        """Return what a session or an agent had spent when the ledger was read, once."""
        if not who or not self._sessions:
            return NOTHING
        found = Amounts(*self._sessions.pop(who, NOTHING))
        if who[0]:
            return found
        return found.plus(Amounts(*self._sessions.pop((FORWARDED, *who[1:]), NOTHING)))

    def _read(self) -> None:
        """Begin to read what was spent."""
        if self._is_reading:
            return
        if self._accounts is None or not self._fed:
            self._read_due = self._seconds() + READ_SECONDS
            return
        now = self._unix_time()
        periods = {each.meter: period(each.meter.per, now, each.meter.zone) for each in self._fed}
        spans = {Span.of(span) for meter, span in periods.items() if meter.per != "session"}
        sessions = self._new_sessions and any(meter.kind in _OF_SESSIONS for meter in periods)
        if not spans and not sessions:
            self._read_due = self._seconds() + READ_SECONDS
            return
        self._is_reading = True
        question = Question(tuple(sorted(spans)), MAX_READ if sessions else 0)
        reading = self._accounts.spent(question, self._reading_begins)
        reading.addCallbacks(self._arrived, self._not_read, callbackArgs=(periods, sessions))
        reading.addErrback(lambda failure: _log.failure("budgets were not read", failure, event="fault"))
        reading.addBoth(lambda _: self._reading_ended())

    def _read_soon(self) -> None:
        """Read at the next request: others may have spent in this period, or we did before a clock was set."""
        self._read_due, self._reads_again = 0.0, self._is_reading

    def _reading_begins(self, unwritten: Sequence[RequestRecord]) -> None:
        self._unwritten = list(unwritten[: MAX_UNWRITTEN + 1])

    def _reading_ended(self) -> None:
        self._is_reading, self._unwritten = False, None
        if self._reads_again:  # budgets were added meanwhile
            self._reads_again = False
            self._read()

    def _arrived(self, answer: Answer, periods: dict[Meter, Period], sessions: bool) -> None:
        """Count what was spent by the ledger, and what was not written into it yet."""
        unwritten = self._unwritten or []
        if len(unwritten) > MAX_UNWRITTEN:
            self._read_due = self._seconds() + RETRY_SECONDS
            return
        self._read_due = self._seconds() + READ_SECONDS
        self._trouble_told = False
        if sessions:
            self._sessions, self._new_sessions = answer.sessions, self._reads_again
        now, sums = self._unix_time(), self._sums(unwritten, periods)
        for metered in self._fed:
            meter = metered.meter
            if meter not in periods:
                continue
            if meter.per != "session":
                self._take_period(metered, answer, periods[meter], sums.get((meter, ()), NOTHING), now)
            elif sessions:
                known = {who for who, _ in metered.each.items()}
                for who in known | {who for each, who in sums if each == meter}:
                    counter = self._counter(metered, who, now)
                    read = counter.spent if who not in known else self._earlier(who)
                    counter.spent = counter.spent.at_least(read.plus(sums.get((meter, who), NOTHING)))
                    self._budget_log.tell(metered.limits, who, counter)
        if not self._was_read:
            self._was_read = True
            _log.info("budgets go on from what is in the accounts", event="budgets-read")

    def _take_period(self, metered: Metered, answer: Answer, span: Period, unwritten: Amounts, now: float) -> None:
        """Count what the ledger has of a period, if it is more: it may have lost something, or never got it."""
        meter, counter = metered.meter, self._counter(metered, (), now)
        if counter.period != span:  # it has ended meanwhile
            return
        spent = unwritten
        for row in answer.periods.get(Span.of(span), ()):
            if meter.who(Use(row.key, "", "", row.backend, row.model.casefold())) is not None:
                spent = spent.plus(Amounts(row.usd, row.tokens))
        counter.spent = counter.spent.at_least(spent)
        self._budget_log.tell(metered.limits, (), counter)

    def _sums(self, records: Sequence[RequestRecord], periods: dict[Meter, Period]) -> dict[tuple[Meter, Who], Amounts]:
        """Return what requests add to each count of some periods."""
        sums: dict[tuple[Meter, Who], Amounts] = {}
        for record in records:
            for attempt in record.attempts:
                use, started, amounts = _use(record, attempt), _started(attempt), _amounts(attempt)
                for meter, span in periods.items():
                    who = meter.who(use)
                    if who is not None and span.start <= started < span.end:
                        sums[meter, who] = sums.get((meter, who), NOTHING).plus(amounts)
        return sums

    def _not_read(self, failure: Failure) -> None:
        self._read_due = self._seconds() + RETRY_SECONDS
        failure.trap(Broken, Unavailable, NewerVersion, ImportError)
        if not self._trouble_told:
            self._trouble_told = True
            _log.warn(
                "budgets cannot be read from the accounts: {reason}; requests are served all the same, and what this "
                "process has counted itself decides",
                event="budgets",
                reason=str(failure.value),
            )


def _amounts(record: AttemptRecord) -> Amounts:
    """Return what an attempt has used, no more than the ledger takes of it."""
    usage, usd = record.usage, record.cost or 0
    tokens = 0 if usage is None else usage.prompt_tokens + usage.output_tokens
    if tokens > MAX_TOKENS or usd > MAX_COST:
        counts = of_attempt(record)
        usd, tokens = counts.cost, counts.prompt + counts.output
    return Amounts(usd, tokens)


def _started(record: AttemptRecord) -> float:
    """Return when an attempt began in Unix seconds, as exactly as the ledger has it."""
    return round(record.started, 3)


def _use(record: RequestRecord, attempt: AttemptRecord) -> Use:
    return Use(record.client, record.session, record.agent, attempt.backend, attempt.model.casefold())
