"""Promises of what one configuration made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.testing import MemoryReactorClock

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import NotFound, UpstreamUnreachable
from claude_bridge.core.events import Usage
from claude_bridge.core.listed_prices import ListedPrice
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.prices import Price
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.generation import Generation, make_generation
from claude_bridge.daemon.process import make_process
from claude_bridge.edge.gate import ClientIdentity
from claude_bridge.services.accounting.prices import Cost
from claude_bridge.services.breaker import CircuitBreakers, CircuitState, NoBreaker
from claude_bridge.services.interfaces import Requester, Spender
from claude_bridge.testing.fakes import FakeClientResponse, KeptRecords
from tests.edge.stage import Edge
from tests.services.accounting.test_request_log import ATTEMPT, RECORD
from tests.services.exchange.stage import ONE, asking, configured

BREAKER = "[breaker]\nenabled = yes\nfailures = 1\n"


def made(text: str = ONE, earlier: Generation | None = None) -> Generation:
    """Make one, after another or as the first of a process."""
    config = configured(text)
    if earlier is not None:
        return make_generation(earlier.process, config, earlier)
    return make_generation(make_process(config, MemoryReactorClock(), Redactor(())), config)


def circuit(generation: Generation) -> CircuitState:
    """Return the state of the circuit of the only backend."""
    assert isinstance(generation.breaker, CircuitBreakers)
    return generation.breaker.state("box")


PRICE = "[price:m]\ninput = {}\noutput = 1\n"


def cost(generation: Generation) -> Cost:
    """Return what a thousand tokens of a prompt cost."""
    backend = generation.config.backends["box"]
    return generation.admission.services.prices.cost(backend, "m", Usage(1000))


BUDGET = "[budget:all]\ntokens = {}\nper = month\n"


class BudgetTests:
    """What may be spent."""

    def test_reload(self) -> None:
        """A reload brings other amounts, and keeps what was spent: that belongs to the process."""
        first = made(ONE + BUDGET.format(10))
        process = first.process
        now = process.unix_time()
        spent = evolve(RECORD, attempts=(evolve(ATTEMPT, started=now, usage=Usage(20, 1)),))
        process.budgets.request_ended(spent)
        second = made(ONE + BUDGET.format(50), first)
        process.follow(second.config, second.profiles)
        states = [generation.budgets.states(Spender())[0] for generation in (first, second)]
        assert [(each.spent, each.limit, each.is_spent) for each in states] == [(21, 10, True), (21, 50, False)]


class PriceTests:
    """What answers cost."""

    def test_new_prices(self) -> None:
        """A reload brings other prices, and what runs on is paid by the old ones; what the lists said stays known."""
        first = made(ONE + PRICE.format(1))
        first.process.lists.on_list(
            first.config.backends["box"], (ModelInfo(id="m", listed_price=ListedPrice(Price(input=5, output=5), "")),)
        )
        second, third = made(ONE + PRICE.format(2), first), made(ONE, first)
        assert [cost(each) for each in (first, second, third)] == [
            Cost(10**9, "configuration"),
            Cost(2 * 10**9, "configuration"),
            Cost(5000, "list"),
        ]


def exchange(generation: Generation) -> Any:
    """Begin an exchange."""
    body = json.dumps(asking()).encode()
    asked = parsing.decode(body)
    return generation.admission.open_exchange(
        AskedRequest(asked),
        request_info(asked, {}, len(body)),
        FakeClientResponse(),
        client=Requester(),
        request_id="req_1",
    )


class OwnerTests:
    """Whose the sessions of a client are."""

    CLIENT = ClientIdentity(credential=Secret("sk-one-0123456789"))

    @pytest.mark.parametrize("policy", ["forward", "none"])
    def test_forwarded_credential(self, policy: str) -> None:
        """Only where clients' credentials are forwarded do these tell clients apart."""
        generation = made(ONE.replace("credentials = none", f"credentials = {policy}"))
        owner = generation.owner_of(self.CLIENT)
        assert (owner != "") == (policy == "forward")
        assert generation.owner_of(ClientIdentity()) == ""

    def test_key(self) -> None:
        """A client with a key is known by its name, also after the key got a new secret."""
        named = evolve(self.CLIENT, name="anna")
        assert made().owner_of(named) == made().owner_of(evolve(named, credential=Secret("new"))) == "key:anna"

    def test_reload(self) -> None:
        """Another configuration knows the same owners, and the same sessions."""
        first = made(ONE.replace("credentials = none", "credentials = forward"))
        second = made(ONE.replace("credentials = none", "credentials = forward") + PRICE.format(1), first)
        assert second.owner_of(self.CLIENT) == first.owner_of(self.CLIENT)
        assert second.sessions is first.sessions

    def test_no_budgets(self) -> None:
        """Nobody has a budget unless one is configured."""
        assert list(made().budgets.states(Spender())) == []


class BreakerTests:
    """Circuits."""

    @pytest.mark.parametrize(("text", "states"), [(ONE, [None, None]), (ONE + BREAKER, ["closed", "open"])])
    def test_told(self, text: str, states: list[str | None]) -> None:
        """The state of a backend's circuit is told in one word; there is none without breaker or backend."""
        generation = made(text)
        found = [generation.circuit("box")]
        generation.breaker.admit("box").failed(UpstreamUnreachable("down"))
        assert [*found, generation.circuit("box")] == states
        assert generation.circuit("gone") is None

    def test_is_optional(self) -> None:
        """Without `enabled = yes` no circuit breaker stands between."""
        assert isinstance(made().breaker, NoBreaker)
        assert isinstance(made(ONE + BREAKER).breaker, CircuitBreakers)

    @pytest.mark.parametrize(
        ("after", "state"),
        [
            (ONE + BREAKER, CircuitState.OPEN),
            (ONE.replace("http://", "http://other.") + BREAKER, CircuitState.CLOSED),
            (ONE + BREAKER.replace("= 1", "= 2"), CircuitState.CLOSED),
        ],
    )
    def test_goes_on(self, after: str, state: CircuitState) -> None:
        """An open circuit stays open over a reload, unless the backend or the breaker's settings changed."""
        first = made(ONE + BREAKER)
        first.breaker.admit("box").failed(UpstreamUnreachable("down"))
        assert circuit(first) is CircuitState.OPEN
        assert circuit(made(after, first)) is state

    def test_is_shared(self) -> None:
        """What exchanges of the old configuration report of a backend that stays counts for the new one."""
        first = made(ONE + BREAKER)
        admitted = first.breaker.admit("box")
        second = made(ONE + BREAKER, first)
        admitted.failed(UpstreamUnreachable("down"))
        first.stop()
        assert circuit(second) is CircuitState.OPEN


class RetireTests:
    """The end of a configuration."""

    def test_without_requests(self) -> None:
        """Where nothing is under way it ends at once."""
        done: list[object] = []
        made().retire().addCallback(done.append)
        assert done == [None]

    def test_last_exchange(self) -> None:
        """It ends with the last of its exchanges; what others do does not matter."""
        first = made(ONE + BREAKER)
        first.breaker.admit("box").failed(UpstreamUnreachable("down"))
        one, two = exchange(first), exchange(first)
        second = made(ONE, first)
        other = exchange(second)
        done: list[object] = []
        first.retire().addCallback(done.append)
        one.on_end(one)
        assert (done, circuit(first)) == ([], CircuitState.OPEN)
        two.on_end(two)
        assert (done, circuit(first)) == ([None], CircuitState.CLOSED)
        assert second.process.running.exchanges == 1
        other.on_end(other)

    def test_held(self) -> None:
        """A request that is being decoded, or asks for no backend, is waited for too."""
        first = made()
        done: list[object] = []
        with first.admission.held():
            first.retire().addCallback(done.append)
            assert done == []
        assert done == [None]


class RecordTests:
    """Requests that became no exchange."""

    def recorded(self, act: Callable[[Generation, Any], None]) -> Any:
        """Return the record of a request."""
        generation = made()
        process = generation.process
        process.records = records = KeptRecords()
        line = Edge().line()
        line.ask("POST", "/v1/messages?secret=1", b"", content_length="9", x_api_key="k")
        line.say(b"12345")
        (request,) = line.channel.requests
        request.arrived = process.sweep.seconds() - 2
        process.unix_time = lambda: 1002.0
        act(generation, request)
        (record,) = records.requests
        assert (round(record.started), round(record.seconds), record.body_bytes) == (1000, 2, 5)
        assert record.request_id == request.request_id
        assert "secret" not in record.kind
        return record

    def test_refused(self) -> None:
        """A refused request is recorded by its path, without the query, under its status."""
        record = self.recorded(lambda generation, request: generation.record_refused(request, NotFound("no")))
        assert (record.kind, record.status, record.outcome, record.attempts) == ("/v1/messages", 404, "not_found", ())

    def test_answered(self) -> None:
        """One that was answered without a backend is recorded by its kind."""
        record = self.recorded(lambda generation, request: generation.record_answered(request, "models"))
        assert (record.kind, record.status, record.outcome) == ("models", 200, "ok")

    def test_left(self) -> None:
        """One whose client left has no status."""

        def leave(generation: Generation, request: Any) -> None:
            request.channel.transport.leave()
            generation.record_client_left(request, "models")

        record = self.recorded(leave)
        assert (record.kind, record.status, record.outcome) == ("models", 0, "client_left")


class SnapshotTests:
    """What there is to be seen."""

    def test_values(self) -> None:
        """Names, states and numbers, and no secret."""
        text = ONE.replace("= none", "= keys") + "[key:alice]\nsecret = alices-secret-key\n" + BREAKER
        first = made(text)
        first.profiles.profile("box", "m")
        running = exchange(first)
        seen = first.snapshot()
        (backend,) = seen.backends
        assert (seen.number, seen.exchanges, seen.credentials, seen.keys) == (1, 1, "keys", ("alice",))
        assert (seen.models, seen.max_streams) == (("glm",), 4000)
        assert (backend.name, backend.circuit, backend.profiles) == ("box", "closed", 1)
        assert "alices-secret-key" not in repr(seen)
        running.on_end(running)
        assert (made(ONE, first).snapshot().number, made().snapshot().backends[0].circuit) == (2, None)

    def test_streams(self) -> None:
        """Of a backend with a limit it tells how many streams there are and how many wait, of all configurations."""
        limited = ONE.replace("url =", "max_streams = 1\nurl =")
        first = made(limited)
        for _ in range(3):
            first.process.slots.acquire(first.config.backends["box"])
        (backend,) = made(limited, first).snapshot().backends
        assert (backend.streaming, backend.waiting) == (1, 2)
        (backend,) = made().snapshot().backends
        assert (backend.streaming, backend.waiting) == (None, 0)
