"""Clients that others wrote, as their users have them, through the running daemon.

Each client goes through all its scenarios in one process, when the first test asks for one; the tests then look at
what its user got to see.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.core.retry import MAX_FAILURES
from tests.end_to_end.other_clients import CLIENTS, Exchange, OtherClient, run_client
from tests.end_to_end.scenarios import (
    ANSWER,
    CITIES,
    IMAGE,
    OVERFLOW,
    PERSON,
    PLAIN,
    RATE_LIMITED,
    REASONING,
    RETRY_AFTER,
    SCENES,
    SIDE,
    STREAMED,
    STREAMED_TOOL_LOOP,
    STRUCTURED,
    STRUCTURED_TOOL,
    THINKING,
    TOOL_LOOP,
    UNAUTHORIZED,
    images,
    play,
)
from tests.end_to_end.shared import serving
from tests.end_to_end.users import PICTURE
from tests.npm import Package, npm

pytestmark = [pytest.mark.other_clients, pytest.mark.timeout(240)]

RunOf = Callable[[OtherClient], Awaitable[Exchange]]

WEATHER = "K\u00f6ln: 18 degrees and Orl\u00e9ans: 18 degrees"
"""What the model says after it has seen what the tool told, in the order of its calls."""


@pytest_twisted.async_yield_fixture(scope="module")
async def run_of(reactor: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunOf]:
    """Yield what came of a client's scenarios, driving it when it is first asked for. All share one daemon."""
    runs: dict[str, Exchange] = {}
    models = {f"model:{name}": {"name": name} for name in (*SCENES, SIDE)}
    sections = {**models, "route:default": {"models": SIDE}}
    async with serving(reactor, tmp_path_factory.mktemp("daemon"), sections) as running:
        play(running[0])

        async def run(client: OtherClient) -> Exchange:
            if client.name not in runs:
                runs[client.name] = await run_client(
                    reactor, client, running, tmp_path_factory.mktemp(client.name, numbered=False)
                )
            return runs[client.name]

        yield run


def able(*scenarios: str) -> Any:
    """Parametrize a test with the clients that can do these scenarios."""
    without_npm = pytest.mark.skipif(npm() is None, reason="npm is not installed, so this client cannot be")
    return pytest.mark.parametrize(
        "client",
        [
            pytest.param(client, id=client.name, marks=[without_npm] if isinstance(client.source, Package) else [])
            for client in CLIENTS
            if set(scenarios) <= set(client.scenarios)
        ],
    )


class AnswerTests:
    """What a client's user reads."""

    @able(PLAIN)
    @pytest_twisted.ensureDeferred
    async def test_plain(self, run_of: RunOf, client: OtherClient) -> None:
        """A question gets its answer, with why it ended and what it took."""
        told = (await run_of(client)).answer(PLAIN)
        assert (told["text"], told["finish"], told["usage"]) == (ANSWER, client.finish, client.usage)

    @able(STREAMED)
    @pytest_twisted.ensureDeferred
    async def test_streamed(self, run_of: RunOf, client: OtherClient) -> None:
        """The answer can be read as it comes, and ends like the other."""
        told = (await run_of(client)).answer(STREAMED)
        assert len(told["pieces"]) > 10
        assert "".join(told["pieces"]) == ANSWER
        assert (told["text"], told["finish"], told["usage"]) == (ANSWER, client.finish, client.usage)

    @able(THINKING)
    @pytest_twisted.ensureDeferred
    async def test_thinking(self, run_of: RunOf, client: OtherClient) -> None:
        """Thinking that was asked for is shown as thinking, beside the answer."""
        told = (await run_of(client)).answer(THINKING)
        assert (told["reasoning"], told["text"]) == (REASONING, ANSWER)

    @able(IMAGE)
    @pytest_twisted.ensureDeferred
    async def test_image(self, run_of: RunOf, client: OtherClient) -> None:
        """The model sees the picture, unchanged."""
        run = await run_of(client)
        assert run.answer(IMAGE)["text"] == "I see 1 picture."
        (address,) = images(run.chats[IMAGE][-1])
        kind, _, data = address.partition(";base64,")
        assert kind == "data:image/png"
        assert b64decode(data) == b64decode(PICTURE)


class ToolTests:
    """What a client's tools are called with, and what becomes of what they say."""

    @able(TOOL_LOOP)
    @pytest_twisted.ensureDeferred
    async def test_loop(self, run_of: RunOf, client: OtherClient) -> None:
        """Both calls are run, once and with their arguments, and the model's last answer is made of their results."""
        told = (await run_of(client)).answer(TOOL_LOOP)
        assert told["ran"] == [{"city": city} for city in CITIES]
        assert told["text"] == WEATHER

    @able(STREAMED_TOOL_LOOP)
    @pytest_twisted.ensureDeferred
    async def test_streamed_loop(self, run_of: RunOf, client: OtherClient) -> None:
        """The same holds of streams in which the model also thinks, and speaks before it calls."""
        told = (await run_of(client)).answer(STREAMED_TOOL_LOOP)
        assert told["ran"] == [{"city": city} for city in CITIES]
        assert told["text"] == WEATHER
        assert "".join(told["pieces"]) == f"I look.{WEATHER}"
        assert told["reasoning"].endswith(REASONING)


class ShapeTests:
    """Answers of a required shape."""

    @able(STRUCTURED)
    @pytest_twisted.ensureDeferred
    async def test_format(self, run_of: RunOf, client: OtherClient) -> None:
        """An answer that was asked for in a shape is the object; the backend was asked for the shape too."""
        run = await run_of(client)
        assert run.answer(STRUCTURED)["value"] == PERSON
        (chat,) = run.chats[STRUCTURED]
        assert set(chat.json["response_format"]["json_schema"]["schema"]["properties"]) == set(PERSON)

    @able(STRUCTURED_TOOL)
    @pytest_twisted.ensureDeferred
    async def test_tool(self, run_of: RunOf, client: OtherClient) -> None:
        """So is one that the client asks for as the input of a tool."""
        run = await run_of(client)
        assert run.answer(STRUCTURED_TOOL)["value"] == PERSON
        assert "response_format" not in run.chats[STRUCTURED_TOOL][0].json


class RefusalTests:
    """What a client makes of a request that gets no answer."""

    @able(RATE_LIMITED)
    @pytest_twisted.ensureDeferred
    async def test_rate_limit(self, run_of: RunOf, client: OtherClient) -> None:
        """The client waits as long as it is told before each further try, and says in the end what it was.

        So does the bridge, which tries a few times itself for each try of the client.
        """
        run = await run_of(client)
        assert_told(run, client, RATE_LIMITED)
        arrivals = [chat.arrived for chat in run.chats[RATE_LIMITED]]
        assert client.tries <= len(arrivals) <= client.tries * MAX_FAILURES
        assert min(later - earlier for earlier, later in pairwise(arrivals)) >= RETRY_AFTER

    @able(UNAUTHORIZED)
    @pytest_twisted.ensureDeferred
    async def test_wrong_key(self, run_of: RunOf, client: OtherClient) -> None:
        """A key that the backend refuses is called that, and not a fault of the bridge."""
        run = await run_of(client)
        assert_told(run, client, UNAUTHORIZED)

    @able(OVERFLOW)
    @pytest_twisted.ensureDeferred
    async def test_overflow(self, run_of: RunOf, client: OtherClient) -> None:
        """A conversation that is too long is recognized as that, by the words that the client knows."""
        run = await run_of(client)
        assert_told(run, client, OVERFLOW)


def assert_told(run: Exchange, client: OtherClient, scenario: str) -> None:
    """Hold what the client's user was told against the client's row."""
    wanted, told = client.refusals[scenario], run.error(scenario)
    seen = (told["kind"], told.get("status"), told.get("retry_after"))
    assert seen == (wanted.kind, wanted.status, wanted.retry_after)
    assert wanted.says in told["message"]
