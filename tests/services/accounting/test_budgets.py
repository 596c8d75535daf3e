"""Tests for `claude_bridge.services.accounting.budgets`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, evolve, field

from claude_bridge.config.budgets import limits
from claude_bridge.config.schema import Backend
from claude_bridge.core.budgets import Amounts, Use
from claude_bridge.core.errors import BudgetReserved, BudgetSpent, ModelBudgetReserved, ModelBudgetSpent
from claude_bridge.core.events import Usage
from claude_bridge.core.expected_answer import FIRST_OUTPUT
from claude_bridge.core.prices import DOLLAR, Price
from claude_bridge.services.accounting.budget_counters import MAX_COUNTED, BudgetCounters
from claude_bridge.services.accounting.budgets import RETRY_SECONDS, ConfiguredBudgets
from claude_bridge.services.accounting.no_budgets import NO_BUDGETS
from claude_bridge.services.interfaces import Budgets, BudgetState, BudgetStates, Spender
from tests.config.files import config_of
from tests.services.accounting.test_budget_counters import NOON, attempt, request

BOX = Backend(name="box")
ANNA = Spender(key="anna", session="s-1", agent="a-1")
FILE = """
[server]
credentials = keys
[key:anna]
secret = a-long-secret-of-anna
[backend:box]
[model:glm]
name = zai/GLM
[model:small]
[route:default]
models = glm
[route:cheap]
models = small
match = c
[route:cheaper]
models = small
match = d
"""
DAY = "per = day\n"


@define
class FixedPrices:
    """The price of every model."""

    known: Price | None = field(factory=lambda: Price(input=10**6, output=2 * 10**6))

    def price(self, backend: Backend, model: str) -> tuple[Price | None, str]:  # noqa: ARG002 - the seam's shape
        """Return it."""
        return self.known, "configuration"


@define(eq=False)
class Desk:
    """The budgets of a file."""

    text: str
    prices: FixedPrices = field(factory=FixedPrices)
    counters: BudgetCounters = field(init=False)
    budgets: ConfiguredBudgets = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        found = limits(config_of(FILE + self.text))
        self.counters = BudgetCounters(seconds=lambda: 0.0, unix_time=lambda: NOON)
        self.counters.follow(found)
        self.budgets = ConfiguredBudgets(found, self.counters, self.prices)

    def spend(self, usd: int, **more: Any) -> None:
        """Let a request of Anna's end."""
        self.counters.request_ended(request(attempt(usd=usd), **more))

    def held(self) -> Amounts:
        """Return what is held of the first budget."""
        (limit, *_) = limits(config_of(FILE + self.text))
        counter = self.counters.counter(self.counters.metered(limit.meter), Use("anna", "s-1", "a-1"), NOON)
        assert counter is not None
        return counter.held

    def reserve(self, request_id: str = "req_1", tokens: int = 1000, **more: Any) -> None:
        """Let an attempt begin."""
        self.budgets.reserve(request_id, ANNA, BOX, "zai/GLM", tokens, **more)


class CheckTests:
    """Whether a request may be made."""

    def test_nothing_spent(self) -> None:
        """A budget of which nothing is used refuses nothing, however long the prompt."""
        desk = Desk(f"[budget:b]\namount = 0.000001\n{DAY}")
        desk.budgets.check(ANNA)
        desk.reserve(tokens=10**9)

    def test_spent(self) -> None:
        """A spent one refuses its own spender alone, with a 402 that is not to be tried again."""
        desk = Desk(f"[budget:b]\nfor = key anna\namount = 1\n{DAY}")
        desk.spend(DOLLAR)
        with pytest.raises(
            BudgetSpent, match=r"the budget b \(for key anna\) is spent: \$1\.00 of \$1\.00 a day\."
        ) as told:
            desk.budgets.check(ANNA)
        error = told.value
        assert (error.status, error.kind, error.should_retry, error.outcome) == (
            402,
            "billing_error",
            False,
            "budget_spent",
        )
        desk.budgets.check(Spender(key="bob"))
        with pytest.raises(BudgetSpent):
            desk.reserve()
        assert desk.counters.held == 0

    def test_others_that_run(self) -> None:
        """What others hold counts, with a 429 that is to be tried again soon; with their end it is given back."""
        desk = Desk(f"[budget:b]\namount = 0.01\n{DAY}")
        desk.reserve("one", tokens=10_000)
        for asked in (lambda: desk.budgets.check(ANNA), lambda: desk.reserve("two")):
            with pytest.raises(BudgetReserved, match="is reserved for requests under way") as told:
                asked()
            error = told.value
            assert (error.status, error.kind, error.retry_after, error.should_retry, error.outcome) == (
                *(429, "rate_limit_error", RETRY_SECONDS),
                *(None, "budget_reserved"),
            )
        desk.budgets.give_up("one")
        desk.budgets.check(ANNA)

    def test_spent_and_reserved(self) -> None:
        """Of two budgets the one that is really spent is told of: while it refuses, trying again is in vain."""
        desk = Desk(f"[budget:b]\namount = 1.01\n{DAY}[budget:c]\namount = 1\n{DAY}")
        desk.reserve("one", tokens=10_000)
        desk.spend(DOLLAR)
        with pytest.raises(BudgetSpent, match="the budget c") as told:
            desk.budgets.check(ANNA)
        assert told.value.status == 402

    def test_reserved_and_a_route(self) -> None:
        """Where the rest is reserved a budget leads to its route, too, but one that refuses until then comes first."""
        desk = Desk(f"[budget:b]\namount = 0.01\nthen = route cheap\n{DAY}")
        desk.reserve("one", tokens=10_000)
        with pytest.raises(BudgetReserved) as told:
            desk.budgets.check(ANNA)
        assert told.value.route == "cheap"
        desk = Desk(f"{desk.text}[budget:c]\namount = 0.01\n{DAY}")
        desk.reserve("one", tokens=10_000)
        with pytest.raises(BudgetReserved, match="the budget c") as told:
            desk.budgets.check(ANNA)
        assert told.value.route == ""

    def test_reservation(self) -> None:
        """Held is the prompt and the answer that is expected, at the model's price; max_tokens has no part in it."""
        desk = Desk(f"[budget:b]\namount = 1\n{DAY}[budget:t]\ntokens = 9M\n{DAY}")
        desk.reserve(tokens=1000)
        assert desk.held() == (1000 * 10**6 + FIRST_OUTPUT * 2 * 10**6, 1000 + FIRST_OUTPUT)

    def test_cached_prompts(self) -> None:
        """Where prompts came from the cache lately, as subagents' do, each holds what it will really cost."""
        price = Price(input=5 * 10**6, output=25 * 10**6, cache_read=5 * 10**5)
        usage = Usage(1_000, 500, cache_read_tokens=149_000)
        desk = Desk(f"[budget:b]\namount = 5\n{DAY}", FixedPrices(price))
        desk.reserve("cold", tokens=150_000)
        full = desk.held().usd
        assert full == 150_000 * 5 * 10**6 + FIRST_OUTPUT * 25 * 10**6
        desk.counters.attempt_ended("cold", evolve(attempt(usd=price.cost(usage)), usage=usage))
        for number in range(10):
            desk.reserve(f"warm {number}", tokens=150_000)
        assert desk.held().usd == 11 * price.cost(usage)

    def test_unknown_price(self) -> None:
        """Without a price no dollars are held, unless earlier answers have told what they cost."""
        desk = Desk(f"[budget:b]\namount = 0.000002\n{DAY}", FixedPrices(None))
        desk.reserve("one")
        desk.budgets.check(ANNA)
        desk.counters.attempt_ended("one", attempt(usd=10**6))
        desk.reserve("two")
        with pytest.raises(BudgetReserved):
            desk.budgets.check(ANNA)

    def test_answer_that_has_begun(self) -> None:
        """A further turn of an answer holds, and is never refused."""
        desk = Desk(f"[budget:b]\namount = 1\n{DAY}")
        desk.spend(DOLLAR)
        desk.reserve(has_begun=True)
        assert desk.counters.held == 1

    def test_model(self) -> None:
        """The budget of a model is asked when the model is known; another one may be asked instead."""
        desk = Desk(f"[budget:b]\nfor = model glm\namount = 1\n{DAY}")
        desk.spend(DOLLAR)
        desk.budgets.check(ANNA)
        with pytest.raises(ModelBudgetSpent) as told:
            desk.reserve()
        assert told.value.try_next
        desk.budgets.reserve("req_2", ANNA, BOX, "small", 1)

    def test_model_that_is_reserved(self) -> None:
        """While the rest of a model's budget is reserved, too, another one may be asked instead."""
        desk = Desk(f"[budget:b]\nfor = model glm\namount = 0.01\n{DAY}")
        desk.reserve("one", tokens=10_000)
        with pytest.raises(ModelBudgetReserved) as told:
            desk.reserve("two")
        assert (told.value.try_next, told.value.status) == (True, 429)

    def test_route(self) -> None:
        """One that leads to a route names it; a request that has taken a route because of it is not refused by it."""
        desk = Desk(f"[budget:b]\namount = 1\nthen = route cheap\n{DAY}")
        desk.spend(DOLLAR)
        for asked in (lambda: desk.budgets.check(ANNA), desk.reserve):
            with pytest.raises(BudgetSpent) as told:
                asked()
            assert told.value.route == "cheap"
        desk.reserve(taken=("cheap",))

    def test_several(self) -> None:
        """One that refuses counts more than those that lead to a route, of which the first counts."""
        routes = f"[budget:b]\namount = 1\nthen = route cheap\n{DAY}[budget:c]\namount = 1\nthen = route cheaper\n{DAY}"
        desk = Desk(f"{routes}[budget:d]\namount = 2\n{DAY}")
        desk.spend(DOLLAR)
        with pytest.raises(BudgetSpent) as told:
            desk.budgets.check(ANNA)
        assert told.value.route == "cheap"
        desk.spend(DOLLAR)
        with pytest.raises(BudgetSpent, match="budget d") as told:
            desk.budgets.check(ANNA)
        assert told.value.route == ""
        with pytest.raises(BudgetSpent, match="budget d"):
            desk.reserve(taken=("cheap",))

    def test_second_route(self) -> None:
        """A request that one budget has led to a route is led on by the next one, and then is within both."""
        text = f"[budget:team]\namount = 100\nthen = route cheap\n{DAY}"
        desk = Desk(f"{text}[budget:anna]\nfor = key anna\namount = 5\nthen = route cheaper\n{DAY}")
        desk.spend(200 * DOLLAR)
        taken: tuple[str, ...] = ()
        for route in ("cheap", "cheaper"):
            with pytest.raises(BudgetSpent) as told:
                desk.reserve(taken=taken)
            assert told.value.route == route
            taken += (route,)
        desk.reserve(taken=taken)

    def test_same_route(self) -> None:
        """Budgets that lead to the same route are content with it."""
        text = "".join(f"[budget:{name}]\namount = 1\nthen = route cheap\n{DAY}" for name in "bc")
        desk = Desk(text)
        desk.spend(DOLLAR)
        desk.reserve(taken=("cheap",))

    def test_model_after_a_route(self) -> None:
        """A request takes no route twice: where it meets the model again whose budget is spent, that refuses."""
        desk = Desk(f"[budget:b]\nfor = model glm\namount = 1\nthen = route cheap\n{DAY}")
        desk.spend(DOLLAR)
        with pytest.raises(ModelBudgetSpent) as told:
            desk.reserve()
        assert told.value.route == "cheap"
        with pytest.raises(ModelBudgetSpent) as told:
            desk.reserve(taken=("cheap",))
        assert told.value.route == ""
        with pytest.raises(ModelBudgetSpent) as told:
            desk.reserve(taken=("cheaper",))
        assert told.value.route == "cheap"

    def test_made_up_sessions(self) -> None:
        """Who only asks, or is refused, is not counted, so that made-up sessions give no other one its budget back."""
        desk = Desk(f"[budget:s]\nfor = session\namount = 1\n[budget:m]\nfor = model glm\namount = 1\n{DAY}")
        desk.spend(DOLLAR)
        for number in range(MAX_COUNTED + 1):
            made_up = Spender(key="mallory", session=f"x-{number}")
            desk.budgets.check(made_up)
            with pytest.raises(ModelBudgetSpent):
                desk.budgets.reserve("req_1", made_up, BOX, "zai/GLM", 1)
            assert desk.budgets.states(made_up)[0].spent == 0
        with pytest.raises(BudgetSpent, match="the budget s"):
            desk.budgets.check(ANNA)

    def test_first_request_of_a_session(self) -> None:
        """A session is counted from its first attempt on: what that holds leaves no room for another one."""
        desk = Desk("[budget:s]\nfor = session\ntokens = 100\n")
        desk.budgets.check(ANNA)
        desk.reserve("one")
        with pytest.raises(BudgetReserved):
            desk.budgets.check(ANNA)

    def test_no_budgets(self) -> None:
        """Without a budget nothing is refused, and nothing is held."""
        desk = Desk("")
        nothing: Budgets = NO_BUDGETS
        for budgets in (desk.budgets, nothing):
            budgets.check(ANNA)
            budgets.reserve("req_1", ANNA, BOX, "m", 1)
            budgets.give_up("req_1")
        assert desk.counters.held == 0


class StateTests:
    """How much is used."""

    def test_states(self) -> None:
        """Each budget that holds for a spender, in the order of the file."""
        text = "".join(
            f"[budget:{name}]\nfor = {scope}\ntokens = 50\nwarn = 50%\n{per}"
            for name, scope, per in (
                ("a", "all", DAY),
                ("k", "key anna", "per = hour\n"),
                ("s", "session", ""),
                ("g", "agent", ""),
                ("m", "model glm", DAY),
            )
        )
        desk = Desk(f"{text}[budget:d]\namount = 2.50\n{DAY}")
        desk.spend(DOLLAR)
        known: BudgetStates = desk.budgets
        states = known.states(ANNA)
        assert [(each.name, each.scope, each.spent, each.limit, each.is_warning, each.is_spent) for each in states] == [
            ("a", "all", 30, 50, True, False),
            ("k", "key anna", 30, 50, True, False),
            ("s", "session", 30, 50, True, False),
            ("g", "agent", 30, 50, True, False),
            ("m", "model glm", 30, 50, True, False),
            ("d", "all", DOLLAR, 5 * DOLLAR // 2, False, False),
        ]
        assert [each.resets_at for each in states[:3]] == [NOON + 12 * 3600, NOON + 3600, None]
        assert [each.name for each in known.states(Spender(key="bob", session="s-1"))] == ["a", "s", "m", "d"]
        assert known.states(Spender(key="bob", session="s-1"))[1] == BudgetState(
            name="s", scope="session", unit="tokens", spent=0, limit=50, resets_at=None, is_warning=False
        )

    def test_route(self) -> None:
        """A budget says to which route it leads when it is spent, and "" where it refuses."""
        desk = Desk(f"[budget:a]\namount = 1\nthen = route cheap\n{DAY}[budget:b]\namount = 1\n{DAY}")
        assert [each.route for each in desk.budgets.states(ANNA)] == ["cheap", ""]
