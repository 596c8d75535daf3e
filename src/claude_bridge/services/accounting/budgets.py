"""Says whether a request may be made, by the budgets of one configuration (docs/budgets.md).

What is counted belongs to the process (`BudgetCounters`), so that a reload keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from attrs import define, field

from claude_bridge.config.schema import Backend
from claude_bridge.core.budgets import Counter, Limit, Use, has_room, is_spent, refusal
from claude_bridge.core.errors import BudgetReserved, BudgetSpent, ModelBudgetReserved, ModelBudgetSpent
from claude_bridge.core.prices import Price
from claude_bridge.services.accounting.budget_counters import BudgetCounters, Metered
from claude_bridge.services.interfaces import BudgetState, Spender

RETRY_SECONDS: Final = 5.0
"""Seconds after which to try again where what is left is reserved: nobody knows when a request under way ends."""


class KnownPrices(Protocol):
    """Knows what tokens cost before they are used."""

    def price(self, backend: Backend, model: str) -> tuple[Price | None, str]:
        """Return a model's price, and from where it is."""


@define(eq=False)
class ConfiguredBudgets:
    """Implements `Budgets` and `BudgetStates`: the budgets of one configuration."""

    _limits: tuple[Limit, ...]
    _counters: BudgetCounters
    _prices: KnownPrices
    _meters: tuple[Metered, ...] = field(init=False)
    _placed: tuple[tuple[Limit, int], ...] = field(init=False)
    _of_sessions: tuple[int, ...] = field(init=False)

    @_meters.default
    def _make_meters(self) -> tuple[Metered, ...]:
        return tuple(self._counters.metered(each) for each in dict.fromkeys(limit.meter for limit in self._limits))

    @_placed.default
    def _place(self) -> tuple[tuple[Limit, int], ...]:
        """Return each budget with the place of its meter."""
        places = {each.meter: place for place, each in enumerate(self._meters)}
        return tuple((limit, places[limit.meter]) for limit in self._limits)

    @_of_sessions.default
    def _find_sessions(self) -> tuple[int, ...]:
        """Return the places of the meters that count each session or agent by itself."""
        return tuple(place for place, each in enumerate(self._meters) if each.meter.kind in {"session", "agent"})

    def check(self, spender: Spender) -> None:
        """Raise `BudgetSpent` if a budget has nothing left, whatever model is asked.

        One that is spent and refuses comes first, then one whose rest is reserved, then one that leads to a route.
        """
        if self._limits:
            self._examine(Use(spender.key, spender.session, spender.agent), self._counters.now())

    def reserve(
        self,
        request_id: str,
        spender: Spender,
        backend: Backend,
        model: str,
        tokens: int,
        *,
        has_begun: bool = False,
        taken: Collection[str] = (),
    ) -> None:
        """Hold what an attempt will probably use, until its record or `give_up`; raise `BudgetSpent` as `check` does.

        ``has_begun``: the client has seen a part of the answer, which is not cut. ``taken``: the routes that the
        request has taken because of budgets, which do not keep it from being asked there; none is to be taken twice.
        """
        if not self._limits:
            return
        use = Use(spender.key, spender.session, spender.agent, backend.name, model.casefold())
        now = self._counters.now()
        counters = self._counts(use, now) if has_begun else self._examine(use, now, taken)
        held = [each for each in counters if each is not None]
        if len(held) < len(counters):  # from its first attempt on a session or an agent is counted
            for place in self._of_sessions:
                if counters[place] is None:
                    made = self._counters.counter(self._meters[place], use, now)
                    held += () if made is None else (made,)
        expected = self._counters.expected(backend.name, model)
        output = round(expected.tokens)
        price, _ = self._prices.price(backend, model)
        if price is None:  # only its answers tell what they cost, if anything does
            usd = round(expected.usd)
        else:
            rates = price.rates(tokens)
            usd = expected.prompt_cost(tokens, rates) + output * rates.output
        self._counters.hold(request_id, held, usd, tokens + output)

    def give_up(self, request_id: str) -> None:
        """Release what is held for an attempt that was not made."""
        self._counters.give_up(request_id)

    def states(self, spender: Spender) -> Sequence[BudgetState]:
        """Return the state of each budget that holds for a spender."""
        now = self._counters.now()
        found = []
        for limit, place in self._placed:
            model = limit.meter.what if limit.meter.kind == "model" else ()
            use = Use(spender.key, spender.session, spender.agent, *model)
            metered = self._meters[place]
            if metered.who(use) is None:
                continue
            counter = self._counters.known(metered, use, now)
            spent = 0 if counter is None else counter.spent.of(limit.unit)
            found.append(
                BudgetState(
                    name=limit.name,
                    scope=str(limit.scope),
                    unit=limit.unit,
                    spent=spent,
                    limit=limit.amount,
                    resets_at=None if counter is None or limit.meter.per == "session" else counter.period.end,
                    is_warning=spent >= limit.warn_at,
                    route=limit.fallback,
                )
            )
        return found

    def _counts(self, use: Use, now: float) -> list[Counter | None]:
        """Return what is known of each meter, None where a use is not counted, or nothing was yet."""
        known = self._counters.known
        return [known(each, use, now) for each in self._meters]

    def _examine(self, use: Use, now: float, taken: Collection[str] = ()) -> list[Counter | None]:
        """Return the counts of a use; raise `BudgetSpent` for a budget that has nothing left."""
        found = self._counts(use, now)
        waits: BudgetSpent | None = None
        falls: BudgetSpent | None = None
        for limit, place in self._placed:
            counter = found[place]
            if counter is None or has_room(limit, counter):
                continue
            is_taken = limit.fallback in taken
            if is_taken and limit.meter.kind != "model":  # which is content with that
                continue
            error = _error(limit, counter, "" if is_taken else limit.fallback)
            if error.route:
                falls = falls or error
            elif isinstance(error, BudgetReserved):
                waits = waits or error
            else:
                raise error
        first = waits or falls
        if first is not None:
            raise first
        return found


def _error(limit: Limit, counter: Counter, route: str) -> BudgetSpent:
    """Return the error of a budget that has no room; ``route``: what is taken instead, or ""."""
    told, is_of_model = refusal(limit, counter), limit.meter.kind == "model"
    if is_spent(limit, counter):
        spent = ModelBudgetSpent if is_of_model else BudgetSpent
        return spent(told, should_retry=False, route=route)
    reserved = ModelBudgetReserved if is_of_model else BudgetReserved
    return reserved(told, retry_after=RETRY_SECONDS, route=route)
