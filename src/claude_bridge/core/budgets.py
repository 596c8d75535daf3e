"""Budgets: who may spend how much in which period, what was spent, and the words for one that is spent.

Amounts are whole pico-dollars, or tokens. An amount is *held* while a request is under way that will probably use it:
requests that run at the same time share what is left. What a request itself would use never counts against it, so a
budget of which nothing is used refuses nothing, however long the prompt is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Final, Literal, NamedTuple

from attrs import define, field, frozen

from claude_bridge.core.budget_periods import Per, Period, period, shown
from claude_bridge.core.prices import dollars_beside

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


Who = tuple[str, ...]
"""Whose count something belongs to; nothing for the only one."""


@frozen
class Meter:
    """What is counted together; budgets that count the same share it.

    :ivar what: the name of a key, or backend and model without case; nothing for the other kinds.
    :ivar who: returns whose count a use belongs to; None if it is not counted here.
    """

    kind: ScopeKind
    what: tuple[str, ...]
    per: Per
    timezone: str
    zone: tzinfo = field(eq=False, repr=False)
    who: Callable[[Use], Who | None] = field(init=False, eq=False, repr=False)

    @who.default
    def _make_who(self) -> Callable[[Use], Who | None]:
        what = self.what
        match self.kind:
            case "all":
                return lambda _: ()
            case "key":
                return lambda use: () if what == (use.key,) else None
            case "model":
                return lambda use: () if what == (use.backend, use.model) else None
            case "session":
                return lambda use: (use.key, use.session) if use.session else None
            case "agent":
                return lambda use: (use.key, use.session, use.agent) if use.agent else None


@frozen(kw_only=True)
class Limit:
    """One budget.

    :ivar name: of its ``[budget:NAME]``.
    :ivar amount: pico-dollars or tokens, as ``unit`` says.
    :ivar warn: the part of it, in percent, from which on it is warned of.
    :ivar fallback: the route that is taken when it is spent; "" to refuse.
    :ivar warn_at: the amount from which on it is warned of.
    """

    name: str
    scope: Scope
    meter: Meter
    unit: Unit
    amount: int
    warn: int = 80
    fallback: str = ""
    warn_at: int = field(init=False)

    @warn_at.default
    def _make_warn_at(self) -> int:
        return -(-self.amount * self.warn // 100)

    def shown(self, amount: int) -> str:
        """Return an amount in its unit, for people, dollars with as many digits as those of the whole budget have."""
        return dollars_beside(amount, self.amount) if self.unit == "usd" else f"{amount:,}"


class Amounts(NamedTuple):
    """Pico-dollars, as far as prices are known, and tokens."""

    usd: int = 0
    tokens: int = 0

    def plus(self, more: Amounts) -> Amounts:
        """Return the sum."""
        return Amounts(self.usd + more.usd, self.tokens + more.tokens)

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

    :ivar usd: pico-dollars of the attempts that are in the accounts, as far as prices are known.
    :ivar tokens: the tokens of those attempts.
    :ivar held_usd: pico-dollars of requests under way, as far as they are known or can be estimated.
    :ivar held_tokens: their tokens.
    :ivar told: what was logged of it in this period.
    """

    meter: Meter
    period: Period
    usd: int = 0
    tokens: int = 0
    held_usd: int = 0
    held_tokens: int = 0
    told: set[tuple[str, str]] = field(factory=set)

    @classmethod
    def at(cls, meter: Meter, now: float) -> Counter:
        """Return a counter of the period that is now."""
        return cls(meter, period(meter.per, now, meter.zone))

    @property
    def spent(self) -> Amounts:
        """What is in the accounts."""
        return Amounts(self.usd, self.tokens)

    @spent.setter
    def spent(self, amounts: Amounts) -> None:
        self.usd, self.tokens = amounts

    @property
    def held(self) -> Amounts:
        """What is held for requests under way."""
        return Amounts(self.held_usd, self.held_tokens)

    def follow(self, now: float) -> bool:
        """Begin anew if the period is over, or if the clock was set back to before it; return whether it did."""
        start, end = self.period
        if start <= now < end:
            return False
        self.period = period(self.meter.per, now, self.meter.zone)
        self.usd = self.tokens = self.held_usd = self.held_tokens = 0
        self.told.clear()
        return True

    def book(self, started: float, usd: int, tokens: int) -> bool:
        """Count an attempt that began then, in Unix seconds, unless that was in another period; return whether."""
        start, end = self.period
        if not start <= started < end:
            return False
        self.usd += usd
        self.tokens += tokens
        return True


@define(eq=False)
class Share:
    """What one attempt holds, the same of each of several counters.

    :ivar counters: each with the period of which it is held.
    :ivar usd: pico-dollars.
    """

    counters: tuple[tuple[Counter, Period], ...]
    usd: int
    tokens: int

    def add(self, usd: int, tokens: int) -> None:
        """Hold more, or less where the amounts are negative; a period that is over holds nothing."""
        self.usd += usd
        self.tokens += tokens
        for counter, span in self.counters:
            if counter.period is span:
                counter.held_usd += usd
                counter.held_tokens += tokens

    def release(self) -> None:
        """Hold nothing."""
        self.add(-self.usd, -self.tokens)


@define(eq=False)
class Holding:
    """What the attempts of one request hold, which is released at its end.

    :ivar last: what the attempt under way holds; None if there is none.
    """

    last: Share | None = None
    _earlier: list[Share] = field(factory=list, init=False)

    def hold(self, counters: Iterable[Counter], usd: int, tokens: int) -> None:
        """Hold amounts of some counters for an attempt."""
        share = Share(tuple([(counter, counter.period) for counter in counters]), 0, 0)
        share.add(usd, tokens)
        if self.last is not None:
            self._earlier.append(self.last)
        self.last = share

    def know(self, usd: int, tokens: int) -> None:
        """Hold what the attempt has used instead of what was estimated: it is not in the accounts yet."""
        share, self.last = self.last, None
        if share is not None:
            share.add(usd - share.usd, tokens - share.tokens)
            self._earlier.append(share)

    def release_last(self) -> None:
        """Release what is held for the attempt under way."""
        share, self.last = self.last, None
        if share is not None:
            share.release()

    def release(self) -> None:
        """Release everything that is held."""
        self.release_last()
        for each in self._earlier:
            each.release()
        self._earlier.clear()


def is_spent(limit: Limit, counter: Counter) -> bool:
    """Return whether all of a budget is in the accounts."""
    return (counter.usd if limit.unit == "usd" else counter.tokens) >= limit.amount


def has_room(limit: Limit, counter: Counter) -> bool:
    """Return whether something is left of a budget that is not held for requests under way."""
    if limit.unit == "usd":
        return counter.usd + counter.held_usd < limit.amount
    return counter.tokens + counter.held_tokens < limit.amount


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
    """Return what client and model are told of a request for which a budget has no room."""
    spent = spent_of(limit, counter)
    if is_spent(limit, counter):
        return f"claude-bridge: the budget {described(limit)} is spent: {spent}. {_outlook(limit, counter)}"
    return (
        f"claude-bridge: the rest of the budget {described(limit)} is reserved for requests under way: {spent} are "
        f"spent, and {limit.shown(counter.held.of(limit.unit))} are reserved. Try again when they have ended."
    )


def _outlook(limit: Limit, counter: Counter) -> str:
    """Return when a budget that is spent starts again, and what to do until then."""
    meter = limit.meter
    if limit.scope.kind == "agent":
        return "This agent gets no more: do not start it again; go on without it."
    if limit.scope.kind == "session":
        return "This session gets no more; a new session has a budget of its own."
    at = "" if meter.per == "hour" else "on "
    when = shown(counter.period.end, meter.zone, per=meter.per)
    return f"It starts again {at or 'at '}{when} ({meter.timezone})."
