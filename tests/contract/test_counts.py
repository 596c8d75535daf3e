"""Counts on a backend that cannot count: after ten turns of a session they are within 5 % of what it then reports.

The session is a recorded request that goes on with code, JSON, shell output, prose, other languages and a picture. What
is true says a tokenizer that shares no rule with our estimator, with a chat template's overhead on top, from what the
backend got.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import frozen

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse, token_usage
from claude_bridge.testing.received import Received
from tests.contract.session import STEPS, requests
from tests.contract.true_counts import Tokenizer
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon, ini

CLOSE = 0.05
MODELS = {"dense": Tokenizer(), "sparse": Tokenizer(factor=1.4)}
"""The second needs 1.4 times as many tokens, as today's Claude does beside OpenAI's."""


SHUFFLED = tuple(random.Random(1).sample(STEPS, len(STEPS)))  # noqa: S311 - only another order
ORDERS = {"as listed": STEPS, "backwards": STEPS[::-1], "shuffled": SHUFFLED}

StartAgain = Callable[[], Awaitable[Daemon]]


def answer(received: Received) -> Answer:
    """Answer as a backend that counts with the model's own tokenizer."""
    prompt = MODELS[received.json["model"]].prompt(received.json)
    return sse(chat_stream(text="Let me look at that first.", usage=token_usage(prompt, 12)))


@pytest_twisted.async_yield_fixture()
async def start_again(reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[StartAgain]:
    """Yield the means to start a daemon, and to start it anew with what it kept."""
    backend.models, backend.script = list(MODELS), answer
    state = tmp_path / "state"
    daemons: list[Daemon] = []

    async def again() -> Daemon:
        for earlier in daemons:
            await earlier.finish()
        daemons[:] = [Daemon(reactor=reactor, folder=tmp_path)]
        await daemons[0].start(ini(backend.url, {"server": {"state_dir": str(state)}}))
        return daemons[0]

    yield again
    for daemon in daemons:
        await daemon.finish()


@frozen
class Told:
    """What the client was told of a request's length before the answer, and what is true; in tokens."""

    counted: int
    started: int
    true: int

    @property
    def errors(self) -> tuple[float, float]:
        """Return the relative errors of ``count_tokens`` and of ``message_start``."""
        return self.counted / self.true - 1, self.started / self.true - 1

    @property
    def close(self) -> bool:
        """Whether both are within 5 %."""
        return all(abs(error) < CLOSE for error in self.errors)


async def ask(client: Client, backend: ScriptedBackend, model: str, asked: dict[str, Any]) -> Told:
    """Count a request, send it, and compare."""
    counting = {key: asked[key] for key in ("system", "messages", "tools", "thinking")}
    counted = await client.post("/v1/messages/count_tokens", {**counting, "model": model})
    reply = await client.post("/v1/messages", {**asked, "model": model})
    assert (counted.status, reply.status) == (200, 200), (counted.body, reply.body[:500])
    start = next(event.data for event in reply.events if event.name == "message_start")
    true = MODELS[model].prompt(backend.chats[-1].json)
    last = next(event.data for event in reply.events if event.name == "message_delta")
    assert last["usage"]["input_tokens"] == true
    return Told(counted.json["input_tokens"], start["message"]["usage"]["input_tokens"], true)


class TenTurnsTests:
    """The eleventh request of a session."""

    @pytest.mark.parametrize(
        ("model", "order"), [("dense", "as listed"), ("dense", "shuffled"), ("sparse", "backwards")]
    )
    @pytest_twisted.ensureDeferred
    async def test_close(
        self, reactor: Any, backend: ScriptedBackend, start_again: StartAgain, model: str, order: str
    ) -> None:
        """Both counts are true within 5 %, whatever the model's tokenizer and the order of things."""
        turns = list(requests("01-first-turn", ORDERS[order]))
        client = client_of(reactor, await start_again())
        told = [await ask(client, backend, model, asked) for asked in turns]
        assert not told[0].close  # so it is learned, not luck
        assert told[10].close, [each.errors for each in told]

    @pytest_twisted.ensureDeferred
    async def test_restart(self, reactor: Any, backend: ScriptedBackend, start_again: StartAgain) -> None:
        """A session that goes on after a restart is counted as well as if there had been none."""
        turns = list(requests("11-custom-model", STEPS))
        client = client_of(reactor, await start_again())
        for asked in turns[:10]:
            await ask(client, backend, "sparse", asked)
        eleventh = await ask(client_of(reactor, await start_again()), backend, "sparse", turns[10])
        assert eleventh.close, eleventh.errors

    @pytest_twisted.ensureDeferred
    async def test_two_models(self, reactor: Any, backend: ScriptedBackend, start_again: StartAgain) -> None:
        """A session that changes between two models has true counts of both."""
        turns = list(requests("01-first-turn", STEPS))
        client = client_of(reactor, await start_again())
        for number, asked in enumerate(turns[:10]):
            await ask(client, backend, "sparse" if number % 2 else "dense", asked)
        told = [await ask(client, backend, model, turns[10]) for model in MODELS]
        assert all(each.close for each in told), [each.errors for each in told]
        assert told[1].true > 1.3 * told[0].true
