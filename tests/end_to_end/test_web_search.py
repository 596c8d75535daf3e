"""Web search from the client to a search engine and back, with a fake SearXNG."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_stream, sse
from claude_bridge.testing.searxng import BEHAVIOURS, FakeSearXNG, found, page
from tests.contract.stream_rules import check_events
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon

MESSAGES = "/v1/messages"
CLAUDE_CODE = Path(__file__).parents[1] / "fixtures" / "claude_code" / "09-web-search-server-tool.json"
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
ASKED: dict[str, Any] = {
    "model": "test-model",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Perform a web search for the query: weather"}],
    "tools": [SEARCH],
    "tool_choice": {"type": "tool", "name": "web_search"},
    "thinking": {"type": "disabled"},
}
RAIN = page("Rain", "https://weather.example/", "<b>9 °C</b> and rain.", "2026-05-03T00:00:00")


@pytest_twisted.async_yield_fixture()
async def searxng(reactor: Any) -> AsyncIterator[FakeSearXNG]:
    """Yield a fake SearXNG that listens."""
    server = FakeSearXNG(reactor)
    server.finds = lambda _: [RAIN]
    server.start()
    yield server
    await server.stop()


@pytest_twisted.async_fixture()
async def searching(start_daemon: StartDaemon, searxng: FakeSearXNG) -> Daemon:
    """Return a daemon that searches there."""
    return await start_daemon({"web_search": {"engine": "searxng", "url": searxng.url, "timeout": "0.5"}})


@pytest.fixture
def client(reactor: Any, searching: Daemon) -> Client:
    """Return a client of it."""
    return client_of(reactor, searching)


def searches(*queries: str, text: str = "") -> Answer:
    """Let the model ask for searches."""
    calls = [
        ToolCall(id=f"call_{number}", name="web_search", arguments=json.dumps({"query": query}))
        for number, query in enumerate(queries)
    ]
    return sse(chat_stream(text=text, tool_calls=calls))


def says(text: str) -> Answer:
    """Let the model answer."""
    return sse(chat_stream(text=text))


async def answer(client: Client, request: dict[str, Any], *, stream: bool) -> Any:
    """Ask, and return the whole message in either form."""
    reply = await client.post(MESSAGES, {**request, "stream": stream})
    assert reply.status == 200, reply.body
    return check_events(reply.events) if stream else reply.json


def kinds(message: Any) -> list[str]:
    """Return the types of the blocks."""
    return [block["type"] for block in message["content"]]


@pytest.mark.parametrize("stream", [True, False])
class WebSearchTests:
    """Claude Code's WebSearch, and requests of other clients."""

    @pytest_twisted.ensureDeferred
    async def test_search(self, client: Client, backend: ScriptedBackend, searxng: FakeSearXNG, stream: bool) -> None:
        """The model searches, gets what was found, and answers; the client gets all of it as one message."""
        backend.enqueue(searches("weather Paris", text="Let me look."), says("It rains."))
        message = await answer(client, ASKED, stream=stream)
        assert kinds(message) == ["text", "server_tool_use", "web_search_tool_result", "text"]
        said, called, result, last = message["content"]
        assert (said["text"], last["text"]) == ("Let me look.", "It rains.")
        assert (called["name"], called["input"]) == ("web_search", {"query": "weather Paris"})
        assert result["tool_use_id"] == called["id"]
        assert [(hit["title"], hit["url"], hit["page_age"]) for hit in result["content"]] == [
            ("Rain", "https://weather.example/", "2026-05-03T00:00:00")
        ]
        assert message["stop_reason"] == "end_turn"
        assert message["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}
        assert searxng.questions == ["weather Paris"]
        first, second = (chat.json for chat in backend.chats)
        assert first["tool_choice"]["function"]["name"] == "web_search"
        assert second["tool_choice"] == "auto"
        assert "9 °C and rain." in second["messages"][-1]["content"]

    @pytest_twisted.ensureDeferred
    async def test_claude_code(self, client: Client, backend: ScriptedBackend, stream: bool) -> None:
        """The request that Claude Code sends is answered with links that it can list."""
        request = {**json.loads(CLAUDE_CODE.read_bytes())["body"], "model": "test-model"}
        backend.enqueue(searches("today weather"), says("It rains."))
        message = await answer(client, request, stream=stream)
        assert kinds(message) == ["server_tool_use", "web_search_tool_result", "text"]

    @pytest_twisted.ensureDeferred
    async def test_later_turn(self, client: Client, backend: ScriptedBackend, stream: bool) -> None:
        """A client that sends the message back has the model read what was found, not the opaque form of it."""
        backend.enqueue(searches("weather"), says("It rains."), says("Still."))
        message = await answer(client, ASKED, stream=stream)
        history = [*ASKED["messages"], {"role": "assistant", "content": message["content"]}]
        again = {**ASKED, "messages": [*history, {"role": "user", "content": "And now?"}], "tool_choice": None}
        await answer(client, again, stream=stream)
        (before,) = [one["content"] for one in backend.chats[-1].json["messages"] if one["role"] == "assistant"]
        assert "9 °C and rain." in before
        assert "cbs1." not in before

    @pytest.mark.parametrize(
        ("behaviour", "code"),
        [("too many requests", "too_many_requests"), ("never answers", "unavailable"), ("garbage", "unavailable")],
    )
    @pytest_twisted.ensureDeferred
    async def test_engine_fails(
        self,
        client: Client,
        backend: ScriptedBackend,
        searxng: FakeSearXNG,
        searching: Daemon,
        behaviour: str,
        code: str,
        stream: bool,
    ) -> None:
        """A search engine that fails is told in the API's words, and the model answers without it."""
        searxng.enqueue(BEHAVIOURS[behaviour])
        backend.enqueue(searches("weather"), says("I could not look."))
        message = await answer(client, ASKED, stream=stream)
        assert message["content"][1]["content"] == {"type": "web_search_tool_result_error", "error_code": code}
        assert message["content"][2]["text"] == "I could not look."
        (line,) = searching.events("web_search")
        assert line["engine"] == "searxng"

    @pytest_twisted.ensureDeferred
    async def test_limit(self, client: Client, backend: ScriptedBackend, searxng: FakeSearXNG, stream: bool) -> None:
        """No more than ``max_uses`` searches are made, whatever the model asks for."""
        backend.script = lambda _: searches("again")
        message = await answer(client, ASKED, stream=stream)
        assert len(searxng.questions) == 2
        assert len(backend.chats) == 4
        assert message["usage"]["server_tool_use"]["web_search_requests"] == 2
        assert message["content"][-1]["content"]["error_code"] == "max_uses_exceeded"

    @pytest_twisted.ensureDeferred
    async def test_domains(self, client: Client, backend: ScriptedBackend, searxng: FakeSearXNG, stream: bool) -> None:
        """Only pages of the sites that the client allows are found."""
        searxng.enqueue(found(RAIN, page("Docs", "https://docs.example/x", "Text.")))
        backend.enqueue(searches("weather"), says("See the docs."))
        request = {**ASKED, "tools": [{**SEARCH, "allowed_domains": ["docs.example"]}]}
        message = await answer(client, request, stream=stream)
        assert [hit["url"] for hit in message["content"][1]["content"]] == ["https://docs.example/x"]
        assert searxng.questions == ["weather site:docs.example"]

    @pytest_twisted.ensureDeferred
    async def test_no_call(self, client: Client, backend: ScriptedBackend, searxng: FakeSearXNG, stream: bool) -> None:
        """A model that answers without searching is simply passed on."""
        backend.enqueue(says("I know that."))
        message = await answer(client, ASKED, stream=stream)
        assert (kinds(message), searxng.questions) == (["text"], [])
        assert message["usage"]["server_tool_use"] is None

    @pytest_twisted.ensureDeferred
    async def test_client_tool_beside(self, client: Client, backend: ScriptedBackend, stream: bool) -> None:
        """A call of the client's own tool beside a search ends the turn for the client, with the results in it."""
        calls = [
            ToolCall(id="call_1", name="web_search", arguments='{"query": "weather"}'),
            ToolCall(id="call_2", name="Read", arguments='{"path": "a"}'),
        ]
        backend.enqueue(sse(chat_stream(tool_calls=calls)))
        tool = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}}
        message = await answer(client, {**ASKED, "tools": [SEARCH, tool], "tool_choice": None}, stream=stream)
        assert sorted(kinds(message)) == ["server_tool_use", "tool_use", "web_search_tool_result"]
        assert message["stop_reason"] == "tool_use"


class ClientGoneTests:
    """Clients that leave."""

    @pytest_twisted.ensureDeferred
    async def test_during_the_search(
        self, reactor: Any, backend: ScriptedBackend, searxng: FakeSearXNG, start_daemon: StartDaemon
    ) -> None:
        """A search for a client that left is given up at once, and nothing is asked of the model any more."""
        daemon = await start_daemon({"web_search": {"engine": "searxng", "url": searxng.url, "timeout": "60"}})
        searxng.enqueue(BEHAVIOURS["never answers"])
        backend.enqueue(searches("weather"))
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, {**ASKED, "stream": True})
        while not searxng.requests:
            await deferLater(reactor, 0.01)
        reading.leave()
        await searxng.requests[0].when_over()
        assert searxng.requests[0].gone is not None
        assert len(backend.chats) == 1
        assert daemon.events("web_search") == []
