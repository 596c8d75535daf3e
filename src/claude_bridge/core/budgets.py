"""Budgets: who may spend how much in which period, what was spent, and the words for one that is spent.

Amounts are whole pico-dollars, or tokens. An amount is *held* while a request is under way that will probably use it:
requests that run at the same time share what is left. What a request itself would use never counts against it, so a
budget of which nothing is used refuses nothing, however long the prompt is.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, Literal, NamedTuple

from attrs import define, field, frozen

from claude_bridge.core.budget_periods import Per, Period, period, shown
from claude_bridge.core.prices import dollars

ScopeKind = Literal["all", "key", "session", "agent", "model"]
Unit = Literal["usd", "tokens"]

NAMED: Final[tuple[ScopeKind, ...]] = ("key", "model")
"""The kinds of scopes that have a name."""

_OF_ONE: Final[dict[ScopeKind, str]] = {"session": "for each session", "agent": "for each subagent"}
_EVERY: Final[dict[Per, str]] = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month"}


@frozen
class Scope:
    """Whom or what a budget is for.

    :ivar name: of the key or the model; "" for the other kinds.
    """

    kind: ScopeKind = "all"
    name: str = ""

    def __str__(self) -> str:
        """Return it as a configuration has it."""
        return f"{self.kind} {self.name}" if self.name else self.kind


class Use(NamedTuple):
    """Who asks which model.

    :ivar key: the name of the client's ``[key:NAME]``, else "".
    :ivar session: the client's id of the conversation, else "".
    :ivar agent: the id of the subagent; "" for the main conversation.
    :ivar backend: "" where it is not known yet, as the model.
    :ivar model: the backend's own name, without case.
    """

    key: str
    session: str
    agent: str
    backend: str = ""
    model: str = ""


@frozen
class Meter:
    """What is counted together; budgets that count the same share it.

    :ivar what: the name of a key, or backend and model without case; nothing for the other kinds.
    """

    kind: ScopeKind
    what: tuple[str, ...]
    per: Per
    timezone: str
    zone: tzinfo = field(eq=False, repr=False)

    def who(self, use: Use) -> tuple[str, ...] | None:
        """Return whose count a use belongs to, "" for the only one; None if it is not counted here."""
        match self.kind:
            case "all":
                return ()
            case "key":
                return () if self.what == (use.key,) else None
            case "model":
                return () if self.what == (use.backend, use.model) else None
            case "session":
                return (use.key, use.session) if use.session else None
            case "agent":
                return (use.key, use.session, use.agent) if use.agent else None


@frozen(kw_only=True)
class Limit:
    """One budget.

    :ivar name: of its ``[budget:NAME]``.
    :ivar amount: pico-dollars or tokens, as ``unit`` says.
    :ivar warn: the part of it, in percent, from which on it is warned of.
    :ivar fallback: the route that is taken when it is spent; "" to refuse.
    """

    name: str
    scope: Scope
    meter: Meter
    unit: Unit
    amount: int
    warn: int = 80
    fallback: str = ""

    @property
    def warn_at(self) -> int:
        """Return the amount from which on it is warned of."""
        return -(-self.amount * self.warn // 100)

    def shown(self, amount: int) -> str:
        """Return an amount in its unit, for people."""
        return dollars(amount) if self.unit == "usd" else f"{amount:,}"


class Amounts(NamedTuple):
    """Pico-dollars, as far as prices are known, and tokens."""

    usd: int = 0
    tokens: int = 0

    def plus(self, more: Amounts) -> Amounts:
        """Return the sum."""
        return Amounts(self.usd + more.usd, self.tokens + more.tokens)

    def minus(self, less: Amounts) -> Amounts:
        """Return the difference."""
        return Amounts(self.usd - less.usd, self.tokens - less.tokens)

    def at_least(self, other: Amounts) -> Amounts:
        """Return the larger of each."""
        return Amounts(max(self.usd, other.usd), max(self.tokens, other.tokens))

    def of(self, unit: Unit) -> int:
        """Return the amount in a unit."""
        return self.usd if unit == "usd" else self.tokens


NOTHING: Final = Amounts()


@define(eq=False)
class Counter:
    """What was spent, and what is held, of one meter in its current period; it begins anew with the next one.

    :ivar spent: pico-dollars and tokens of the attempts that are in the accounts.
    :ivar held: those of requests under way, as far as they are known or can be estimated.
    :ivar told: what was logged of it in this period.
    """

    meter: Meter
    period: Period
    spent: Amounts
    held: Amounts
    told: set[tuple[str, str]] = field(factory=set)

    @classmethod
    def at(cls, meter: Meter, now: float) -> Counter:
        """Return a counter of the period that is now."""
        return cls(meter, period(meter.per, now, meter.zone), NOTHING, NOTHING)

    def follow(self, now: float) -> None:
        """Begin anew if the period is over, or if the clock was set back to before it."""
        if not self.period.start <= now < self.period.end:
            self.period = period(self.meter.per, now, self.meter.zone)
            self.spent = self.held = NOTHING
            self.told.clear()

    def book(self, started: float, amounts: Amounts) -> bool:
        """Count an attempt that began then, in Unix seconds, unless that was in another period; return whether."""
        if not self.period.start <= started < self.period.end:
            return False
        self.spent = self.spent.plus(amounts)
        return True

    def used(self, unit: Unit) -> int:
        """Return what is not left."""
        return self.spent.usd + self.held.usd if unit == "usd" else self.spent.tokens + self.held.tokens


@define(eq=False)
class Holding:
    """What one request holds of several counters, and gives back at its end.

    :ivar parts: counter, the start of the period of which something is held, and how much.
    :ivar last: how many of the parts belong to the attempt under way; they are the last ones.
    """

    parts: list[tuple[Counter, float, Amounts]] = field(factory=list)
    last: int = 0

    def hold(self, counters: list[Counter], amounts: Amounts) -> None:
        """Hold amounts of some counters for an attempt."""
        for counter in counters:
            counter.held = counter.held.plus(amounts)
            self.parts.append((counter, counter.period.start, amounts))
        self.last = len(counters)

    def know(self, amounts: Amounts) -> None:
        """Hold what the attempt has used instead of what was estimated: it is not in the accounts yet."""
        counters = [(counter, start) for counter, start, _ in self.parts[len(self.parts) - self.last :]]
        self.give_back_last()
        for counter, start in counters:
            if counter.period.start == start:
                counter.held = counter.held.plus(amounts)
                self.parts.append((counter, start, amounts))

    def give_back_last(self) -> None:
        """Give back what is held for the attempt under way."""
        _give_back(self.parts, self.last)
        self.last = 0

    def give_back(self) -> None:
        """Give back everything."""
        _give_back(self.parts, len(self.parts))
        self.last = 0


def _give_back(parts: list[tuple[Counter, float, Amounts]], number: int) -> None:
    for _ in range(number):
        counter, start, amounts = parts.pop()
        if counter.period.start == start:
            counter.held = counter.held.minus(amounts)


def is_spent(limit: Limit, counter: Counter) -> bool:
    """Return whether a budget refuses: nothing is left of it, or what is left is held for requests under way."""
    return counter.used(limit.unit) >= limit.amount


def described(limit: Limit) -> str:
    """Return name and scope of a budget: ``alice-day (for key alice)``."""
    return f"{limit.name} ({_OF_ONE.get(limit.scope.kind) or f'for {limit.scope}'})"


def spent_of(limit: Limit, counter: Counter) -> str:
    """Return what is spent of how much: ``$5.03 of $5.00 a day``."""
    unit = "" if limit.unit == "usd" else " tokens"
    every = _EVERY.get(limit.meter.per)
    spent = limit.shown(counter.spent.of(limit.unit))
    return f"{spent} of {limit.shown(limit.amount)}{unit}{f' {every}' if every else ''}"


def refusal(limit: Limit, counter: Counter) -> str:
    """Return what client and model are told of a request that a budget refuses."""
    spent, held = spent_of(limit, counter), counter.held.of(limit.unit)
    if counter.spent.of(limit.unit) >= limit.amount:
        told = f"claude-bridge: the budget {described(limit)} is spent: {spent}."
    else:
        waiting = f"{limit.shown(held)} are reserved for requests under way"
        told = f"claude-bridge: nothing is left of the budget {described(limit)}: {spent} are spent, and {waiting}."
    return f"{told} {_outlook(limit, counter)}"


def _outlook(limit: Limit, counter: Counter) -> str:
    """Return when a budget starts again, and what to do until then."""
    meter = limit.meter
    if limit.scope.kind == "agent":
        return "This agent gets no more: do not start it again; go on without it."
    if limit.scope.kind == "session":
        return "This session gets no more; a new session has a budget of its own."
    at = "" if meter.per == "hour" else "on "
    when = shown(counter.period.end, meter.zone, per=meter.per)
    return f"It starts again {at or 'at '}{when} ({meter.timezone})."
