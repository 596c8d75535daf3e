"""The real llama.cpp with a real small model, asked through its Responses API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import ini
from tests.end_to_end.llamacpp import TOOLS, serve
from tests.end_to_end.peers import Peer
from tests.end_to_end.sse import text_of
from tests.end_to_end.test_llamacpp import (
    CAPITAL,
    COUNT,
    MESSAGES,
    PARIS,
    SECONDS,
    TIME,
    WEATHER,
    asked,
    final,
    prompt_tokens,
    result,
    started_usage,
    tool_uses,
)

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


@pytest_twisted.async_yield_fixture(scope="module")
async def calling(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server whose template knows tools."""
    server = await serve(reactor, 2048, TOOLS)
    yield server
    await server.stop(reactor)


@pytest_twisted.async_yield_fixture()
async def client(reactor: Any, calling: Peer, start_daemon: StartDaemon) -> AsyncIterator[Client]:
    """Yield a client of a daemon that is told the kind of its backend, and nothing else."""
    yield client_of(
        reactor, await start_daemon(config=ini(f"{calling.url}/v1", {"backend:scripted": {"kind": "responses"}}))
    )


class ResponsesTests:
    """Text, calls and results."""

    @pytest_twisted.ensureDeferred
    async def test_text(self, client: Client) -> None:
        """An answer streams, says the same whole, and is cut where it may not be longer, whatever its status says."""
        streamed = (await client.post(MESSAGES, asked(max_tokens=6), seconds=SECONDS)).events
        whole = (await client.post(MESSAGES, asked(max_tokens=6, stream=False), seconds=SECONDS)).json
        deltas = [event for event in streamed if event.name == "content_block_delta"]

        assert len(deltas) > 3
        assert whole["content"][0]["text"] == text_of(streamed)
        assert final(streamed)["delta"]["stop_reason"] == whole["stop_reason"] == "max_tokens"
        assert final(streamed)["usage"]["output_tokens"] == whole["usage"]["output_tokens"] == 6

    @pytest_twisted.ensureDeferred
    async def test_counted(self, client: Client) -> None:
        """It counts prompts by its own counter, once it has shown what it is."""
        streamed = (await client.post(MESSAGES, asked(max_tokens=16), seconds=SECONDS)).events
        counted = (await client.post(COUNT, {"model": asked()["model"], "messages": [CAPITAL]})).json["input_tokens"]

        assert counted == prompt_tokens(final(streamed)["usage"])
        assert started_usage(streamed)["output_tokens"] == 0

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
    async def test_call(self, client: Client, choice: dict[str, Any]) -> None:
        """A forced call comes as a stream of valid JSON, and its result is answered with text."""
        tools = [WEATHER] if choice["type"] == "any" else [TIME, WEATHER]
        await client.post(MESSAGES, asked(max_tokens=16), seconds=SECONDS)  # from it the dialect is known
        streamed = (await client.post(MESSAGES, asked(PARIS, tools=tools, tool_choice=choice), seconds=SECONDS)).events
        (call,) = tool_uses(streamed)

        assert (call["name"], call["input"].keys()) == ("get_weather", {"city", "unit"})
        assert final(streamed)["delta"]["stop_reason"] == "tool_use"
        assert len([event for event in streamed if event.name == "content_block_delta"]) > 5

        conversation = [PARIS, {"role": "assistant", "content": [call]}, result(call, "18 degrees and sunny")]
        answered = (await client.post(MESSAGES, asked(*conversation, tools=tools), seconds=SECONDS)).events
        assert text_of(answered).strip()
