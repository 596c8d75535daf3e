"""Promises of the doctor's requests."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import InvalidRequest, UpstreamTimeout
from claude_bridge.core.kinds import KINDS
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import MAX_BODY_BYTES
from claude_bridge.doctor.services import DoctorServices, make_services
from claude_bridge.testing.answers import Answer, Repeat, Stall
from claude_bridge.testing.chat import chat_stream, error, sse
from tests.doctor.stand_ins import StandIn, served, sometimes
from tests.services.exchange.stage import configured

KIND = KINDS["openai"]


def services_for(reactor: Any, server: StandIn) -> DoctorServices:
    """Return services whose only backend is the stand-in."""
    return make_services(configured(f"[backend:tower]\nurl = {server.url}\nheaders = X-Tower: yes"), reactor)


def target(**traits: Any) -> Any:
    """Return the target for the stand-in's model."""
    return KIND.target(
        "generic",
        "test-model",
        traits,
        context_window=None,
        window_configured=False,
        max_output_tokens=None,
        strip_attribution=True,
    )


class SmallTests:
    """Small requests."""

    @pytest_twisted.ensureDeferred
    async def test_whatever_the_status(self, reactor: Any) -> None:
        """Status, headers and body arrive, of an error too; key and configured headers are sent."""
        pages = {("GET", "/v1/x"): error(418, {"message": "short and stout"})}
        async with served(reactor, pages=pages) as server:
            services = services_for(reactor, server)
            backend = services.config.backends["tower"]
            reply = await services.asker.small(backend, Secret("a-key"), "x")
            await services.close()
            headers = server.requests[0].headers
        assert (reply.status, reply.good, reply.error) == (418, False, None)
        assert b"short and stout" in reply.body
        assert (headers["authorization"], headers["x-tower"]) == ("Bearer a-key", "yes")
        assert "a-key" not in repr(reply)

    @pytest_twisted.ensureDeferred
    async def test_time(self, reactor: Any) -> None:
        """A response that does not come in time is a timeout."""
        async with served(reactor, pages={("GET", "*"): Answer(200, (), (Stall(),))}) as server:
            services = services_for(reactor, server)
            services.asker.patience = 0.1
            reply = await services.asker.small(services.config.backends["tower"], None, "models")
            await services.close()
        assert reply.status == 0
        assert isinstance(reply.error, UpstreamTimeout)

    @pytest_twisted.ensureDeferred
    async def test_size(self, reactor: Any) -> None:
        """No more of a body is read than two megabytes and one read."""
        endless = Answer(200, (), (Repeat(b"x" * 1000, 20_000),))
        async with served(reactor, pages={("GET", "*"): endless}) as server:
            services = services_for(reactor, server)
            reply = await services.asker.small(services.config.backends["tower"], None, "models")
            await services.close()
        assert reply.status == 200
        assert len(reply.body) < MAX_BODY_BYTES + 1024 * 1024


class AskTests:
    """Conversations."""

    async def asked(self, reactor: Any, script: Any, conversation: Any, **traits: Any) -> Any:
        """Return the answer of a stand-in with a script."""
        async with served(reactor, script) as server:
            services = services_for(reactor, server)
            backend = services.config.backends["tower"]
            answer = await services.asker.ask(KIND, backend, None, target(**traits), conversation)
            await services.close()
        return answer

    @pytest_twisted.ensureDeferred
    async def test_answer(self, reactor: Any) -> None:
        """Text, counts and times are there, and calls put together."""
        answer = await self.asked(reactor, None, questions.weather())
        (call,) = answer.calls
        assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')
        assert answer.usage is not None
        assert 0 < answer.first <= answer.last
        assert (answer.failure, answer.error) == (None, None)

    @pytest_twisted.ensureDeferred
    async def test_adjusted(self, reactor: Any) -> None:
        """What a refusal teaches is tried, and told."""
        refusal = error(400, {"message": "Unsupported parameter: 'stream_options' is not supported"})
        script = sometimes(lambda body: "stream_options" in body, refusal)
        answer = await self.asked(reactor, script, questions.greeting())
        assert answer.finished is not None
        assert [each.overrides for each in answer.adjustments] == [{"stream_options": "none"}]
        assert answer.target.stream_options == "none"

    @pytest_twisted.ensureDeferred
    async def test_refused_for_good(self, reactor: Any) -> None:
        """A refusal that teaches nothing is the answer."""
        answer = await self.asked(reactor, lambda _: error(400, {"message": "no"}), questions.greeting())
        assert answer.failure is not None
        assert answer.adjustments == ()

    @pytest_twisted.ensureDeferred
    async def test_impossible(self, reactor: Any) -> None:
        """What cannot be translated is not sent."""
        answer = await self.asked(reactor, None, questions.image(), images="refuse")
        assert isinstance(answer.error, InvalidRequest)

    @pytest_twisted.ensureDeferred
    async def test_leaving(self, reactor: Any) -> None:
        """The connection is closed when content begins."""
        long = sse(chat_stream(text="word " * 400), pause=0.01)
        async with served(reactor, lambda _: long) as server:
            services = services_for(reactor, server)
            backend = services.config.backends["tower"]
            assert await services.asker.begin(KIND, backend, None, target(), questions.essay())
            await server.chats[0].when_over()
            await services.close()
        assert server.chats[0].gone is not None

    @pytest_twisted.ensureDeferred
    async def test_leaving_before_anything(self, reactor: Any) -> None:
        """A refusal ends the wait."""
        async with served(reactor, lambda _: error(500, {"message": "no"})) as server:
            services = services_for(reactor, server)
            backend = services.config.backends["tower"]
            assert not await services.asker.begin(KIND, backend, None, target(), questions.essay())
            await services.close()
