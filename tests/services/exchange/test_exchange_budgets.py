"""Budgets in the exchange: who is refused and when, and that whatever is held is given back."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.logger import LogEvent

from claude_bridge.config.budgets import limits
from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.core.backend_api import OriginalRequest
from claude_bridge.core.budgets import NOTHING, Amounts, Counter, Use
from claude_bridge.core.errors import CircuitOpen
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.services.accounting.budget_counters import BudgetCounters
from claude_bridge.services.accounting.budgets import ConfiguredBudgets
from claude_bridge.services.accounting.fan_out import FanOut
from claude_bridge.services.accounting.prices import ListedPrices, Pricing
from claude_bridge.services.exchange.exchange import Exchange
from claude_bridge.services.exchange.opening import Opening
from claude_bridge.services.interfaces import Requester
from claude_bridge.testing.chat import ToolCall, chat_stream, token_usage
from claude_bridge.testing.fakes import FakeClientResponse, HeldSearch
from tests.services.exchange.stage import LONGEST_PAUSE, Stage, asking, configured, refusal

FILE = """
[server]
credentials = none
[backend:box]
url = http://box:8000/v1
[backend:other]
url = http://other:8000/v1
[model:glm]
backend = box
name = zai/GLM
context_window = 100000
[model:small]
backend = other
context_window = 100000
[price:glm]
input = 1
output = 1
[price:small]
input = 0.1
output = 0.1
"""
ROUTES = "[route:default]\nmodels = glm, small\n"
ALL = "[budget:all]\namount = 0.001\nper = day\n"
CLAUDE = "[backend:claude]\nkind = anthropic\nurl = https://api.anthropic.com\napi_key = sk-ant-a-long-secret\n"
ANSWER = chat_stream(text="Hello there", usage=token_usage(900, 100))
"""A thousandth of a dollar, as glm is priced."""

SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def broken(*_: object, **__: object) -> None:
    """Have a fault."""
    raise RuntimeError


@define(eq=False)
class Office:
    """A stage on which budgets are kept."""

    text: str
    search: HeldSearch | None = None
    more_of_box: str = ""
    stage: Stage = field(init=False)
    counters: BudgetCounters = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        config = configured(FILE.replace("box:8000/v1\n", f"box:8000/v1\n{self.more_of_box}") + self.text)
        self.stage = Stage(config=config, search=self.search)
        admission = self.stage.admission
        found = limits(config)
        self.counters = BudgetCounters(
            seconds=self.stage.clock.seconds, unix_time=lambda: 1_700_000_000.0 + self.stage.clock.seconds()
        )
        self.counters.follow(found)
        prices = Pricing(ConfiguredPrices(config), ListedPrices())
        admission.services = evolve(
            admission.services,
            budgets=ConfiguredBudgets(found, self.counters, prices),
            prices=prices,
            records=FanOut((self.counters, self.stage.records)),
        )

    def ask(self, *, request_id: str = "req_1", session: str = "", agent: str = "", **more: Any) -> Exchange:
        """Start a request."""
        body = json.dumps(asking(**more)).encode()
        asked = parsing.decode(body)
        headers = {"x-claude-code-session-id": session, "x-claude-code-agent-id": agent}
        self.stage.downstream = FakeClientResponse()
        admission = self.stage.admission
        original = OriginalRequest(body, headers) if admission.needs_originals else None
        run = admission.open_exchange(
            AskedRequest(asked, "", original),
            request_info(asked, headers, len(body)),
            self.stage.downstream,
            client=Requester(),
            request_id=request_id,
        )
        run.start()
        return run

    def counter(self, **use: str) -> Counter:
        """Return the counter of the first budget."""
        (metered, *_) = self.counters._fed
        found = self.counters.counter(metered, Use("", **({"session": "", "agent": ""} | use)), 1_700_000_000.0)
        assert found is not None
        return found

    def assert_nothing_is_held(self, **use: str) -> None:
        """Check that everything was given back."""
        assert self.counters.held == 0
        assert self.counter(**use).held == NOTHING


class RefusalTests:
    """A budget is spent."""

    def test_one_request_too_many(self) -> None:
        """A request that begins under the limit is answered to its end; the next one is asked of nobody."""
        office = Office(ALL)
        office.ask()
        office.stage.call.answer(*ANSWER)
        assert office.counter().spent == Amounts(1000 * 10**6, 1000)
        office.ask(request_id="req_2")
        error = office.stage.error
        assert (error.status, error.kind, error.should_retry) == (402, "billing_error", False)
        assert error.message.startswith("claude-bridge: the budget all (for all) is spent: $0.0010 of $0.0010 a day.")
        assert len(office.stage.client.calls) == 1
        assert [each.outcome for each in office.stage.records.requests] == ["ok", "budget_spent"]
        assert office.stage.records.requests[1].attempts == ()
        office.assert_nothing_is_held()

    def test_no_breaker_and_no_key(self) -> None:
        """A refusal is nobody's failure: no breaker and no key hears of it."""
        office = Office(ALL)
        office.ask()
        office.stage.call.answer(*ANSWER)
        told = list(office.stage.breaker.told)
        office.ask(request_id="req_2")
        assert office.stage.breaker.told == told

    def test_largest_request_of_all(self) -> None:
        """With nothing spent the longest prompt with the largest max_tokens is asked."""
        office = Office("[budget:all]\namount = 0.000001\nper = day\n")
        office.ask(max_tokens=128_000, messages=[{"role": "user", "content": "word " * 5000}])
        assert len(office.stage.client.calls) == 1

    def test_parallel(self) -> None:
        """Of fifty at once as many are asked as fit by the estimate; with those no more is spent than they cost."""
        office = Office("[budget:all]\namount = 0.005\nper = day\n")
        for number in range(50):
            office.ask(request_id=f"req_{number}")
        calls = list(office.stage.client.calls)
        assert 1 < len(calls) < 50
        for call in calls:
            call.answer(*ANSWER)
        office.assert_nothing_is_held()
        assert office.counter().spent.usd == len(calls) * 1000 * 10**6
        outcomes = [each.outcome for each in office.stage.records.requests]
        assert outcomes.count("budget_reserved") == 50 - len(calls)
        office.ask()
        assert office.stage.error.status == 402

    def test_reserved_for_others(self) -> None:
        """Who is refused for what is only reserved is answered when the others have used less."""
        office = Office(ALL.replace("0.001", "0.0005"))
        office.ask()
        running = office.stage.call
        office.ask(request_id="req_2")
        error = office.stage.error
        assert (error.status, error.kind, error.should_retry) == (429, "rate_limit_error", None)
        assert error.retry_after is not None
        running.answer(*chat_stream(text="Hi", usage=token_usage(9, 1)))
        office.ask(request_id="req_3")
        office.stage.call.answer(*ANSWER)
        assert office.stage.downstream.errors == []
        office.assert_nothing_is_held()

    def test_session_and_agent(self) -> None:
        """A subagent that has spent its budget is refused alone: the main conversation and another one go on."""
        office = Office("[budget:runaway]\nfor = agent\namount = 0.001\n")
        office.ask(session="s", agent="a")
        office.stage.call.answer(*ANSWER)
        office.ask(session="s", agent="a")
        assert "do not start it again; go on without it" in office.stage.error.message
        for agent in ("", "b"):
            before = len(office.stage.client.calls)
            office.ask(session="s", agent=agent)
            assert len(office.stage.client.calls) == before + 1

    def test_answered_without_a_backend(self) -> None:
        """What the bridge answers by itself costs nothing and is not refused."""
        office = Office(ALL)
        office.ask()
        office.stage.call.answer(*ANSWER)
        office.ask(request_id="req_2", max_tokens=0)
        assert office.stage.downstream.errors == []

    def test_answered_beside_a_backend_that_gets_requests_as_they_are(self) -> None:
        """Nor is it refused if another backend might have got it: only there it would have cost something."""
        office = Office(ALL + CLAUDE)
        office.ask()
        office.stage.call.answer(*ANSWER)
        unreadable = [{"role": "user", "content": [{"type": "tool_result"}]}]
        cases: list[tuple[dict[str, Any], list[int]]] = [
            ({"max_tokens": 0}, []),
            ({"tools": [SEARCH]}, []),
            ({}, [402]),
            ({"max_tokens": 0, "model": "claude/opus"}, [402]),
            ({"max_tokens": 0, "messages": unreadable}, [402]),
        ]
        for more, statuses in cases:
            office.ask(**more)
            assert [error.status for error in office.stage.downstream.errors] == statuses
        assert len(office.stage.client.calls) == 1
        office.assert_nothing_is_held()


class HoldingTests:
    """Whatever ends a request, nothing stays held."""

    def test_while_it_runs(self) -> None:
        """An attempt holds its prompt and the answer that is expected."""
        office = Office(ALL)
        office.ask()
        assert office.counter().held.tokens >= 500
        assert office.counter().held.usd > 0

    def test_client_leaves(self) -> None:
        """A client that leaves has used what was counted until then."""
        office = Office(ALL)
        run = office.ask()
        office.stage.call.head()
        office.stage.call.data(*ANSWER[:2])
        run.cancel()
        office.assert_nothing_is_held()

    def test_client_leaves_before_it_is_sent(self) -> None:
        """One that leaves while its request waits for its turn has held nothing."""
        office = Office(ALL.replace("0.001", "5"), more_of_box="max_streams = 1\n")
        office.ask()
        held = office.counter().held
        run = office.ask(request_id="req_2")
        assert office.counter().held == held
        run.cancel()
        office.stage.call.answer(*ANSWER)
        office.assert_nothing_is_held()

    def test_failure(self) -> None:
        """A backend that fails, however often it is asked, holds nothing in the end."""
        office = Office(ALL + ROUTES)
        office.ask(model="auto")
        office.stage.fail(refusal("broken"), status=500)
        assert len(office.stage.client.calls) > 1
        office.assert_nothing_is_held()

    def test_fault_of_ours(self, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]) -> None:
        """A fault before the request is sent gives back what was held a moment before."""
        office = Office(ALL)

        monkeypatch.setattr(Opening, "_prepare", broken)
        office.ask()
        assert office.stage.error.outcome == "internal_fault"
        office.assert_nothing_is_held()
        logged_failures.clear()

    def test_fault_over_the_end(self, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]) -> None:
        """An error that cannot be told to the client ends the request all the same."""
        office = Office(ALL)

        monkeypatch.setattr(FakeClientResponse, "fail", broken)
        office.ask()
        office.stage.fail(refusal("broken"), status=400)
        assert office.stage.admission.active == 0
        office.assert_nothing_is_held()
        gc.collect()
        assert [each["log_failure"].type for each in logged_failures] == [RuntimeError]
        logged_failures.clear()

    def test_no_key(self) -> None:
        """A backend that must not be asked, as its breaker is open, holds nothing."""
        office = Office(ALL)
        office.stage.breaker.refusal = CircuitOpen("open")
        office.ask()
        assert office.stage.error.outcome == "circuit_open"
        office.assert_nothing_is_held()


class TurnTests:
    """An answer of several turns of the model."""

    def test_search_goes_on(self) -> None:
        """An answer that has begun is not cut: its next turn holds, and is asked although nothing is left."""
        office = Office(ALL, search=HeldSearch())
        office.ask(tools=[SEARCH])
        call = ToolCall(id="c1", name="web_search", arguments='{"query": "rain"}')
        office.stage.call.answer(*chat_stream(tool_calls=[call], usage=token_usage(900, 100)))
        assert office.search is not None
        assert office.counter().held.usd >= 1000 * 10**6
        office.search.give()
        assert len(office.stage.client.calls) == 2
        office.stage.call.answer(*ANSWER)
        assert office.stage.downstream.errors == []
        assert office.counter().spent.tokens == 2000
        office.assert_nothing_is_held()


class RouteTests:
    """What happens instead."""

    def test_cheaper_route(self) -> None:
        """With `then = route` the next request takes that route, and its answer bears the model's own name."""
        office = Office(f"{ALL}then = route cheap\n[route:cheap]\nmodels = small\n")
        office.ask()
        office.stage.call.answer(*ANSWER)
        office.ask(request_id="req_2")
        assert office.stage.sent["model"] == "small"
        assert office.stage.downstream.started[-1]["model"] == "small"
        office.stage.call.answer(*ANSWER)
        record = office.stage.records.requests[-1]
        assert (record.outcome, record.route) == ("ok", "cheap")
        assert office.counter().spent == Amounts(1100 * 10**6, 2000)
        office.assert_nothing_is_held()

    def test_route_without_a_budget_left(self) -> None:
        """Where the cheaper route's model has nothing left either, the request is refused."""
        model = "[budget:small]\nfor = model small\namount = 0.0001\nper = day\n"
        office = Office(f"{ALL}then = route cheap\n[route:cheap]\nmodels = small\n{model}")
        for _ in range(2):
            office.ask()
            office.stage.call.answer(*ANSWER)
        office.ask()
        assert office.stage.error.message.startswith("claude-bridge: the budget small (for model small) is spent")
        assert len(office.stage.client.calls) == 2
        office.assert_nothing_is_held()

    def test_two_routes(self) -> None:
        """If two budgets lead to routes, the request is answered on the second, and the record names that."""
        routes = "[route:cheap]\nmodels = glm\n[route:cheaper]\nmodels = small\n"
        office = Office(
            f"{ALL}then = route cheap\n[budget:s]\nfor = session\ntokens = 1000\nthen = route cheaper\n{routes}"
        )
        office.ask(session="s")
        office.stage.call.answer(*ANSWER)
        office.ask(session="another")
        assert office.stage.sent["model"] == "zai/GLM"
        office.stage.call.answer(*ANSWER)
        office.ask(session="s")
        assert office.stage.sent["model"] == "small"
        office.stage.call.answer(*ANSWER)
        assert [each.route for each in office.stage.records.requests] == ["", "cheap", "cheaper"]
        office.assert_nothing_is_held()

    def test_circle(self) -> None:
        """Routes that lead to each other end with a refusal, and nobody is asked."""
        models = "".join(
            f"[budget:{name}]\nfor = model {name}\namount = 0.0001\nper = day\nthen = route {name}\n"
            for name in ("glm", "small")
        )
        office = Office(f"{models}[route:glm]\nmodels = small\n[route:small]\nmodels = glm\n")
        for model in ("glm", "small"):
            office.ask(model=model)
            office.stage.call.answer(*ANSWER)
        for model in ("glm", "small"):
            office.ask(model=model)
            assert office.stage.error.status == 402
        assert (len(office.stage.client.calls), office.counters.held) == (2, 0)

    def test_model_of_a_route(self) -> None:
        """A model whose budget is spent is passed over for the next one of its route; if it is alone, that is told."""
        office = Office(f"[budget:glm]\nfor = model glm\namount = 0.001\nper = day\n{ROUTES}")
        office.ask(model="auto")
        office.stage.call.answer(*ANSWER)
        office.ask(model="auto")
        assert office.stage.sent["model"] == "small"
        office.stage.call.answer(*ANSWER)
        office.ask(model="glm")
        assert office.stage.error.status == 402
        assert [each.outcome for each in office.stage.records.requests] == ["ok", "ok", "budget_spent"]

    def test_model_that_is_reserved(self) -> None:
        """If the other model of the route fails, the client is told to try again: the first one is free soon."""
        office = Office(f"[budget:glm]\nfor = model glm\namount = 0.0005\nper = day\n{ROUTES}")
        office.ask(model="glm")
        office.ask(model="auto", request_id="req_2")
        assert office.stage.sent["model"] == "small"
        office.stage.fail(refusal("no credit"), status=402)
        assert (office.stage.error.status, office.stage.error.kind) == (429, "rate_limit_error")

    def test_model_with_a_route(self) -> None:
        """A model's budget that leads to a route does so where no other model of its own route is left."""
        budget = "[budget:glm]\nfor = model glm\namount = 0.001\nper = day\nthen = route cheap\n"
        office = Office(f"{budget}[route:cheap]\nmodels = small\n")
        office.ask()
        office.stage.call.answer(*ANSWER)
        office.ask()
        assert office.stage.sent["model"] == "small"
        office.stage.call.answer(*ANSWER)
        assert office.stage.records.requests[-1].route == "cheap"

    def test_others_that_fail_without_a_route(self) -> None:
        """Where the budget only refuses, the client is told of the failure."""
        office = self.spent_model_and("refuse")
        office.stage.call.answer(refusal("broken"), status=503)
        assert office.stage.error.outcome == "upstream_unavailable"
        assert len(office.stage.client.calls) == 2

    def spent_model_and(self, then: str) -> Office:
        """Let a request ask the second model of a route, as the first one's budget is spent."""
        routes = "[route:own]\nmodels = other/own\nmatch = own\n[route:default]\nmodels = glm, small\npatience = 0\n"
        office = Office(f"[budget:glm]\nfor = model glm\namount = 0.001\nper = day\nthen = {then}\n{routes}")
        office.ask(model="auto")
        office.stage.call.answer(*ANSWER)
        office.ask(model="auto")
        assert office.stage.sent["model"] == "small"
        return office

    @pytest.mark.parametrize("status", [401, 402, 503])
    def test_model_with_a_route_and_others_that_fail(self, status: int) -> None:
        """The route of a model's budget is also taken if the other models of its own route fail."""
        office = self.spent_model_and("route own")
        office.stage.call.answer(refusal("broken"), status=status)
        assert office.stage.sent["model"] == "own"
        office.stage.call.answer(*ANSWER)
        assert (office.stage.downstream.errors, office.stage.records.requests[-1].route) == ([], "own")
        assert office.counters.held == 0

    def test_error_that_is_the_clients_own(self) -> None:
        """A failure after which no other model of the route would be asked leads to no other route either."""
        office = self.spent_model_and("route own")
        office.stage.call.answer(refusal("this is no request"), status=400)
        assert office.stage.error.status == 400
        assert len(office.stage.client.calls) == 2

    def test_answer_that_breaks_off(self) -> None:
        """An answer of which the client has seen something is not begun anew on another route."""
        office = self.spent_model_and("route own")
        office.stage.call.head()
        office.stage.call.data(*ANSWER[:2])
        office.stage.call.end()
        assert office.stage.error.outcome == "upstream_cut"
        assert len(office.stage.client.calls) == 2

    def test_spent_while_a_model_fails(self) -> None:
        """A budget that others spend while this request waits to ask again leads to its route too."""
        office = Office(f"{ALL}then = route cheap\n[route:cheap]\nmodels = small\n")
        office.ask()
        first = office.stage.call
        office.ask(request_id="req_2")
        first.answer(status=500)
        office.stage.call.answer(*ANSWER)
        office.stage.clock.advance(LONGEST_PAUSE)
        assert office.stage.sent["model"] == "small"

    def test_the_other_route_begins_anew(self) -> None:
        """What failed before the route was taken is not held against its models: they are asked again as usual."""
        office = Office(f"{ALL}then = route cheap\n[route:cheap]\nmodels = small\n")
        office.ask()
        first = office.stage.call
        office.ask(request_id="req_2")
        first.answer(status=500)
        office.stage.call.answer(*ANSWER)
        office.stage.clock.advance(LONGEST_PAUSE)
        office.stage.call.answer(status=500)
        office.stage.clock.advance(LONGEST_PAUSE)
        assert len(office.stage.client.calls) == 4
        office.stage.call.answer(*ANSWER)
        assert [each.outcome for each in office.stage.records.requests] == ["ok", "ok"]
        office.assert_nothing_is_held()

    def test_refused_while_a_model_fails(self) -> None:
        """Without a route the request ends with the words of the budget, not with what failed before."""
        office = Office(ALL)
        office.ask()
        first = office.stage.call
        downstream = office.stage.downstream
        office.ask(request_id="req_2")
        first.answer(status=500)
        office.stage.call.answer(*ANSWER)
        office.stage.clock.advance(LONGEST_PAUSE)
        assert [each.status for each in downstream.errors] == [402]
        office.assert_nothing_is_held()
