"""Promises of a request's books."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define, field

from claude_bridge.config.schema import Backend, Model, Route
from claude_bridge.core.chat_completions.backend import CHAT_COMPLETIONS, ChatTarget
from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.accounting.prices import Cost
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.plan import Candidate, Plan, Step
from claude_bridge.services.exchange.recorder import RequestRecorder
from claude_bridge.testing.fakes import FakeClientResponse, KeptRecords
from tests.services.exchange.stage import configured

FACTS = RequestInfo(
    model="m", session="s", agent="a", kind="main", streamed=True, body_bytes=80, agent_type="Explore", parent="p"
)


@define
class Tried:
    """What the records look at in an attempt."""

    status: int | None = 200
    first_event: float | None = None
    first_token: float | None = None


MODELS = ("big", "glm")


@define
class FixedPrices:
    """Implements `AttemptPrices`: each token costs one pico-dollar."""

    expected: list[tuple[str, str]] = field(factory=list)

    def expect(self, backend: Backend, model: str) -> None:
        """Note who is expected."""
        self.expected.append((backend.name, model))

    def cost(self, backend: Backend, model: str, usage: Usage | None) -> Cost:
        """Count the tokens of the one model that is known."""
        assert (backend.name, model) == ("box", "glm")
        return Cost() if usage is None else Cost(usage.prompt_tokens + usage.output_tokens, "list")


async def never(_step: Step) -> Candidate:
    """Resolve no step of a plan; nobody asks."""
    raise NotImplementedError


def choice(model: str = "glm") -> Candidate:
    """Make a choice."""
    backend = configured("[backend:box]\nurl = http://box/v1\n").backends["box"]
    return Candidate(backend=backend, kind=CHAT_COMPLETIONS, target=ChatTarget(model=model), shown="m")


class BooksTests:
    """Times and outcomes."""

    def test_times_are_measured_from_their_beginnings(self) -> None:
        """Attempts and request have each their own begin, length and time to the first event."""
        now: list[float] = [100.0]
        kept = KeptRecords()
        books = RequestRecorder(
            records=kept,
            request_id="r",
            seconds=lambda: now[0],
            unix_time=lambda: 1e9 + now[0],
            started=100.0,
            client="alice",
            peer="10.0.0.7",
            owner="key:alice",
        )
        now[0] = 103.0
        tried: Any = Tried(first_event=105.0, first_token=106.0)
        books.attempt_started(tried, choice())
        now[0] = 110.0
        books.attempt_ended(cast(Attempt, tried), choice(), "client", "ok", Usage(3, 4, raw={"vendor": "x" * 9000}))
        downstream = FakeClientResponse(status=200, first_byte=106.0)
        now[0] = 111.0
        books.request_ended(FACTS, downstream, "ok")
        (attempt,), (request,) = kept.attempts, kept.requests
        assert (attempt.started, attempt.seconds, attempt.first_event_seconds) == (1e9 + 103, 7.0, 2.0)
        assert attempt.usage == Usage(3, 4)
        assert not attempt.usage.raw  # which would wait in memory with the record
        assert (attempt.first_token_seconds, attempt.tokens_per_second) == (3.0, 1.0)
        assert (attempt.backend, attempt.model, attempt.credential) == ("box", "glm", "client")
        assert (request.started, request.seconds, request.first_byte_seconds) == (1e9 + 100, 11.0, 6.0)
        assert (request.client, request.peer, request.session, request.attempts) == (
            "alice",
            "10.0.0.7",
            "s",
            (attempt,),
        )
        assert (request.agent, request.agent_type, request.parent) == ("a", "Explore", "p")
        assert request.owner == "key:alice"

    @pytest.mark.parametrize("outcome", ["ok", "client_left", "upstream_cut"])
    def test_cost(self, outcome: str) -> None:
        """An attempt with tokens has its cost and whose word that is, however it ended."""
        kept, prices = KeptRecords(), FixedPrices()
        books = RequestRecorder(
            records=kept, request_id="r", seconds=lambda: 1.0, unix_time=lambda: 1.0, started=1.0, prices=prices
        )
        tried: Any = Tried()
        books.attempt_started(tried, choice())
        books.attempt_ended(cast(Attempt, tried), choice(), "client", outcome, Usage(3, 4))
        books.attempt_ended(cast(Attempt, tried), choice(), "client", outcome, None)
        assert prices.expected == [("box", "glm")]
        assert [(each.cost, each.price_from) for each in kept.attempts] == [(7, "list"), (None, "")]

    @pytest.mark.parametrize(
        ("client", "peer", "requester"), [("shop", "10.0.0.7", "shop"), ("", "10.0.0.7", "10.0.0.7")]
    )
    def test_requester(self, client: str, peer: str, requester: str) -> None:
        """Who makes the request is known by the name of its key, else by its address."""
        books = RequestRecorder(
            records=KeptRecords(),
            request_id="req_1",
            seconds=lambda: 0.0,
            unix_time=lambda: 0.0,
            started=0.0,
            client=client,
            peer=peer,
        )
        assert books.requester == requester

    def test_tokens(self) -> None:
        """The tokens of all attempts are known unless those of an answer are not; a failure without any used none."""
        books = RequestRecorder(
            records=KeptRecords(), request_id="r", seconds=lambda: 1.0, unix_time=lambda: 1.0, started=1.0
        )
        tried: Any = Tried()
        known: list[int | None] = [books.tokens]
        for outcome, usage in (
            ("upstream_cut", Usage(3, 4, cache_read_tokens=5)),
            ("upstream_cut", None),
            ("ok", None),
        ):
            books.attempt_ended(cast(Attempt, tried), choice(), "client", outcome, usage)
            known.append(books.tokens)
        assert known == [0, 12, 12, None]

    def test_nothing_came(self) -> None:
        """Where nothing came there is no time of its coming."""
        kept = KeptRecords()
        books = RequestRecorder(records=kept, request_id="r", seconds=lambda: 1.0, unix_time=lambda: 1.0, started=1.0)
        tried: Any = Tried(status=None)
        books.attempt_started(tried, choice())
        books.attempt_ended(cast(Attempt, tried), choice(), "none", "upstream_unreachable", None)
        books.request_ended(FACTS, FakeClientResponse(), "upstream_unreachable", "no connection")
        assert kept.requests[0].attempts[0].first_event_seconds is None
        assert (kept.requests[0].first_byte_seconds, kept.requests[0].reason) == (None, "no connection")

    @pytest.mark.parametrize(("answered", "first_choice"), [("big", ""), ("BIG", ""), ("glm", "box/big")])
    def test_route_and_first_choice(self, answered: str, first_choice: str) -> None:
        """The route is recorded, and its first choice only if another model was asked last, however it is spelled."""
        kept = KeptRecords()
        books = RequestRecorder(records=kept, request_id="r", seconds=lambda: 1.0, unix_time=lambda: 1.0, started=1.0)
        backend = choice().backend
        steps = [Step(backend=backend, model=Model(alias=name, backend="box", name=name), shown="m") for name in MODELS]
        books.plan = Plan(Route(name="default"), tuple(steps), never)
        tried: Any = Tried()
        books.attempt_ended(cast(Attempt, tried), choice(answered), "client", "ok", None)
        books.request_ended(FACTS, FakeClientResponse(), "ok")
        assert (kept.requests[0].route, kept.requests[0].first_choice) == ("default", first_choice)
