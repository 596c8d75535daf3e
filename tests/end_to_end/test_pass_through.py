"""A backend with Anthropic's own API behind the real daemon: what passes through is not changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define

from claude_bridge.core.opaque_state import OpaqueState, pack_snippet, pack_state
from claude_bridge.testing.answers import Answer, Cut, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, error, sse
from claude_bridge.testing.messages import message_error, message_json, message_stream, message_text
from claude_bridge.testing.messages_backend import MessagesBackend
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.sse import names, text_of

FIXTURES = Path(__file__).parents[1] / "fixtures" / "claude_code"
KEY = "sk-ant-api03-a-key-of-anthropics-own"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
TEXT: dict[str, Any] = {"type": "text", "text": "It is done, I think."}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}}
RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text"}
TOOL: dict[str, Any] = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object"}}
SEARCHED: tuple[dict[str, Any], ...] = (
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
)
ROUTE = """
[server]
check_backends = no
listen = tcp:0:interface=127.0.0.1
commit_after = {commit_after}

[backend:claude]
kind = anthropic
url = {claude}
dialect = {dialect}
{more}

[backend:chat]
url = {chat}
api_key = sk-chat-backend-key

[model:opus]
backend = claude
name = claude-test

[model:glm]
backend = chat
name = test-model

[route:default]
models = {route}
"""


@define(eq=False)
class Pair:
    """Two backends, and the means to start a daemon in front of them."""

    reactor: Any
    claude: MessagesBackend
    chat: ScriptedBackend
    start: StartDaemon
    daemon: Daemon | None = None

    async def client(
        self, route: str = "opus, glm", more: str = "", commit_after: float = 10, dialect: str = "anthropic"
    ) -> Client:
        """Start a daemon, and return its client."""
        self.daemon = await self.start(
            config=ROUTE.format(
                claude=self.claude.url,
                chat=self.chat.url,
                route=route,
                more=more,
                commit_after=commit_after,
                dialect=dialect,
            )
        )
        return Client(self.reactor, self.daemon.url, HEADERS)


@pytest_twisted.async_yield_fixture()
async def pair(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> AsyncIterator[Pair]:
    """Yield the backends."""
    claude = MessagesBackend(reactor)
    claude.start()
    yield Pair(reactor, claude, backend, start_daemon)
    await claude.stop()


def asking(*history: Any, **more: Any) -> dict[str, Any]:
    """Make a request after an assistant's turn of these blocks, if there are any."""
    said: list[Any] = [{"role": "user", "content": "Hi"}]
    if history:
        said += [{"role": "assistant", "content": list(history)}, {"role": "user", "content": "And?"}]
    return {"model": "opus", "max_tokens": 2000, "stream": True, "messages": said, **more}


def recorded(name: str) -> bytes:
    """Return the body of a recorded request of Claude Code."""
    (path,) = FIXTURES.glob(f"{name}-*.json")
    found = json.loads(path.read_text())
    return json.dumps(found.get("body", found), ensure_ascii=False).encode()


class RequestTests:
    """What the backend gets."""

    @pytest_twisted.ensureDeferred
    async def test_bytes(self, pair: Pair) -> None:
        """It gets the client's bytes but for the model's name: betas, server tools, signatures and blanks included."""
        client = await pair.client()
        pair.claude.script = lambda _: sse(message_text("ok"))
        thinking = json.dumps(pair.claude.thinking("Hm \\ud83d\\ude00 \n"), indent=1)
        body = (
            b'{ "stream" :true,\n "messages": [{"content":"Hi","role":"user"},  {"role": "assistant", "content": ['
            + thinking.encode()
            + b', {"type":"server_tool_use","id":"srvtoolu_9","name":"web_search","input":{"query":"\\u00e9"}}]},'
            b'{"role":"user","content":"Go on"}],\t"model":  "op\\u0075s" , "max_tokens":100,'
            b'"mcp_servers":[{"type":"url","name":"m","url":"https://m.example/mcp"}],'
            b'"tools":[{"type":"web_search_20250305","name":"web_search"}],"unheard_of":{"a":[1.50,1e5]} }'
        )
        reply = await client.post(f"{MESSAGES}?beta=true", body, headers={"content-type": "application/json"})
        assert reply.status == 200
        assert pair.claude.chats[0].body == body.replace(b'"op\\u0075s"', b'"claude-test"')

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("name", ["01", "02", "06", "08", "09", "16", "17"])
    async def test_claude_codes_requests(self, pair: Pair, name: str) -> None:
        """Requests of the real client pass through byte for byte."""
        client = await pair.client()
        pair.claude.checks_signatures = False
        pair.claude.script = lambda _: sse(message_text("ok"))
        body = recorded(name)
        model = json.dumps(json.loads(body)["model"]).encode()
        await client.post(MESSAGES, body, headers={"content-type": "application/json"})
        assert pair.claude.chats[0].body == body.replace(b'"model": ' + model, b'"model": "claude-test"', 1)

    @pytest_twisted.ensureDeferred
    async def test_headers(self, pair: Pair) -> None:
        """Its headers pass as an open list; those of the connection and of the bridge do not."""
        client = await pair.client()
        pair.claude.script = lambda _: sse(message_text("ok"))
        sent = {
            "anthropic-beta": "context-1m-2025-08-07,interleaved-thinking-2025-05-14",
            "user-agent": "claude-cli/2.1.332 (external, cli)",
            "x-stainless-lang": "js",
            "x-brand-new": "1",
            "cookie": "a=b",
            "x-forwarded-for": "10.0.0.1",
        }
        await client.post(MESSAGES, asking(), headers=sent)
        got = pair.claude.chats[0].headers
        assert {name: got.get(name) for name in sent} == {**sent, "cookie": None, "x-forwarded-for": None}
        assert (got["x-api-key"], got["anthropic-version"]) == (KEY, "2023-06-01")

    @pytest_twisted.ensureDeferred
    async def test_bearer(self, pair: Pair) -> None:
        """A credential goes on in the header in which it came, as a subscription's token must."""
        client = await pair.client()
        pair.claude.script = lambda _: sse(message_text("ok"))
        token = {"authorization": "Bearer sk-ant-oat01-a-token-of-a-subscription", "x-api-key": None}
        await client.post(MESSAGES, asking(), headers=token)
        got = pair.claude.chats[0].headers
        assert (got["authorization"], got.get("x-api-key")) == (token["authorization"], None)

    @pytest_twisted.ensureDeferred
    async def test_own_key(self, pair: Pair) -> None:
        """The backend's own key replaces the client's; if it is refused, the client is not asked to log in."""
        pair.claude.api_key = "sk-ant-of-the-owner-0123"
        client = await pair.client(route="opus", more="api_key = sk-ant-of-the-owner-0123")
        pair.claude.script = lambda _: sse(message_text("ok"))
        assert (await client.post(MESSAGES, asking())).status == 200
        pair.claude.api_key = "sk-ant-another"
        refused = await client.post(MESSAGES, asking())
        assert refused.status == 502
        assert "backend 'claude'" in refused.json["error"]["message"]


class AnswerTests:
    """What the client gets."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("size", [None, 7])
    async def test_stream(self, pair: Pair, size: int | None) -> None:
        """Every event comes as it was sent, whatever pieces it came in, and its tokens are accounted for."""
        client = await pair.client()
        stream = message_stream(pair.claude.thinking("Let me see."), TEXT, *SEARCHED, CALL)
        answer = sse(stream, size=size)
        limits = ("anthropic-ratelimit-unified-status", "allowed")
        pair.claude.enqueue(Answer(200, (*answer.headers, limits, ("request-id", "req_of_theirs")), answer.steps))
        reply = await client.post(MESSAGES, asking())
        assert reply.body == b"".join(stream)
        assert reply.headers[limits[0]] == "allowed"
        assert reply.headers["x-claude-bridge-upstream-request-id"] == "req_of_theirs"
        assert reply.headers["request-id"].startswith("req_")
        assert reply.headers["x-claude-bridge-model"] == "claude/claude-test"
        assert pair.daemon is not None
        line = await pair.daemon.wait_for("request")
        counts = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
        assert [line[name] for name in counts] == [9, 100, 4, 23]
        assert line["outcome"] == "ok"

    @pytest_twisted.ensureDeferred
    async def test_whole(self, pair: Pair) -> None:
        """A whole message comes as it was sent."""
        client = await pair.client()
        answer = message_json(TEXT, CALL)
        pair.claude.enqueue(answer)
        reply = await client.post(MESSAGES, asking(stream=False))
        (sent,) = answer.steps
        assert isinstance(sent, Send)
        assert (reply.status, reply.body) == (200, sent.data)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        "answer",
        [
            message_error(400, "invalid_request_error", "tools.3.custom.input_schema: JSON schema is invalid"),
            message_error(429, "rate_limit_error", "Number of requests", [("retry-after", "17")]),
            message_error(401, "authentication_error", "invalid x-api-key"),
            message_error(413, "request_too_large", "Request exceeds the maximum size"),
        ],
        ids=["400", "429", "401", "413"],
    )
    @pytest.mark.parametrize("stream", [True, False])
    async def test_errors(self, pair: Pair, answer: Answer, stream: bool) -> None:
        """An error keeps its status, its words and its headers."""
        client = await pair.client(route="opus")
        pair.claude.script = lambda _: answer
        reply = await client.post(MESSAGES, asking(stream=stream))
        (sent,) = answer.steps
        assert isinstance(sent, Send)
        assert (reply.status, reply.body) == (answer.status, sent.data)
        assert reply.headers.get("retry-after") == dict(answer.headers).get("retry-after")

    @pytest_twisted.ensureDeferred
    async def test_early_commit(self, pair: Pair) -> None:
        """A client that was given the beginning of a message meanwhile gets no second one."""
        client = await pair.client(commit_after=0)
        stream = message_stream(TEXT)
        pair.claude.enqueue(Answer(200, STREAM_HEADERS, (Pause(0.3), *map(Send, stream))))
        reply = await client.post(MESSAGES, asking())
        assert names(reply.events).count("message_start") == 1
        assert reply.body.endswith(b"".join(stream[2:]))

    @pytest_twisted.ensureDeferred
    async def test_broken_off(self, pair: Pair) -> None:
        """An answer that is cut off ends with an error event, and one that ends with an error has the backend's."""
        client = await pair.client()
        stream = message_stream(TEXT)
        pair.claude.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, stream[:5]), Pause(0.05), Cut())))
        cut = await client.post(MESSAGES, asking())
        assert cut.body.startswith(b"".join(stream[:5]))
        assert names(cut.events)[-1] == "error"
        told = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
        pair.claude.enqueue(sse((*stream[:5], told)))
        failed = await client.post(MESSAGES, asking())
        assert failed.body == b"".join(stream[:5]) + told

    @pytest_twisted.ensureDeferred
    async def test_count(self, pair: Pair) -> None:
        """Tokens are counted by the backend's own counter, with the client's own request."""
        client = await pair.client()
        body = {"model": "opus", "messages": [{"role": "user", "content": "Hi" * 500}], "tools": [TOOL]}
        reply = await client.post(f"{MESSAGES}/count_tokens", body, headers={"anthropic-beta": "token-counting"})
        (counted,) = [each for each in pair.claude.requests if each.path.endswith("count_tokens")]
        assert reply.json == {"input_tokens": len(counted.body) // 4}
        assert counted.json == {**body, "model": "claude-test"}
        assert counted.headers["anthropic-beta"] == "token-counting"


class MovingTests:
    """A conversation that moves from one kind of backend to another."""

    @pytest_twisted.ensureDeferred
    async def test_from_chat(self, pair: Pair) -> None:
        """What a chat backend thought is not refused by one that checks signatures, and the calls arrive."""
        client = await pair.client()
        pair.chat.enqueue(sse(chat_stream(reasoning="I wonder.", text="Looking.")))
        first = await client.post(MESSAGES, asking(model="glm", stream=False, thinking={"type": "adaptive"}))
        said = first.json["content"]
        assert [block["type"] for block in said] == ["thinking", "text"]
        pair.claude.enqueue(sse(message_text("Right.")))
        carried = pack_state(OpaqueState("gemini", "g", {"a": 1}))
        history = [
            *said,
            {"type": "thinking", "thinking": "more", "signature": carried},
            {"type": "redacted_thinking", "data": carried},
            CALL,
        ]
        body = asking(*history)
        body["messages"][-1]["content"] = [RESULT]
        reply = await client.post(MESSAGES, body)
        assert text_of(reply.events) == "Right."
        (sent,) = pair.claude.chats
        assert sent.json["messages"][1]["content"] == [said[1], CALL]

    @pytest_twisted.ensureDeferred
    async def test_to_chat(self, pair: Pair) -> None:
        """What Anthropic signed is no hindrance to a chat backend."""
        client = await pair.client()
        pair.chat.enqueue(sse(chat_stream(text="Right.")))
        reply = await client.post(MESSAGES, asking(pair.claude.thinking("Hm."), TEXT, model="glm"))
        assert text_of(reply.events) == "Right."
        assert pair.chat.chats[0].problems == ()

    @pytest_twisted.ensureDeferred
    async def test_foreign_signature(self, pair: Pair) -> None:
        """Thinking that another Anthropic-like service signed is refused, and left out the second time."""
        client = await pair.client()
        foreign = {"type": "thinking", "thinking": "Hm.", "signature": "c29tZWJvZHkgZWxzZQ=="}
        pair.claude.enqueue(sse(message_text("Right.")), sse(message_text("Again.")))
        reply = await client.post(MESSAGES, asking(foreign, TEXT))
        assert text_of(reply.events) == "Right."
        assert [len(each.json["messages"][1]["content"]) for each in pair.claude.chats] == [2, 1]
        own = await client.post(MESSAGES, asking(pair.claude.thinking("Hm."), TEXT))
        assert text_of(own.events) == "Again."
        assert len(pair.claude.chats[-1].json["messages"][1]["content"]) == 2

    @pytest_twisted.ensureDeferred
    async def test_unknown_server(self, pair: Pair) -> None:
        """A server of which nothing is known gets all thinking until it refuses that once."""
        client = await pair.client(dialect="generic")
        client.headers = {**HEADERS, "x-api-key": "sk-of-another-service"}
        unsigned = {"type": "thinking", "thinking": "Hm.", "signature": ""}
        pair.claude.checks_signatures = False
        pair.claude.script = lambda _: sse(message_text("Right."))
        await client.post(MESSAGES, asking(unsigned, TEXT))
        assert pair.claude.chats[-1].json["messages"][1]["content"] == [unsigned, TEXT]
        pair.claude.checks_signatures = True
        for _ in range(2):
            assert text_of((await client.post(MESSAGES, asking(unsigned, TEXT))).events) == "Right."
        assert len(pair.claude.chats) == 1 + 2 + 1

    @pytest_twisted.ensureDeferred
    async def test_thinking_first(self, pair: Pair) -> None:
        """Where the last turn must begin with thinking that is not there, that one request goes without thinking."""
        pair.claude.thinking_first = True
        client = await pair.client()
        pair.claude.script = lambda _: sse(message_text("Right."))
        body = asking(
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            CALL,
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
        body["messages"][-1]["content"] = [RESULT]
        assert text_of((await client.post(MESSAGES, body)).events) == "Right."
        assert pair.claude.chats[-1].json["thinking"] == {"type": "disabled"}

    @pytest_twisted.ensureDeferred
    async def test_searches_of_the_bridge(self, pair: Pair) -> None:
        """Results of the bridge's own search become text that any server can read."""
        client = await pair.client()
        hit = {
            "type": "web_search_result",
            "url": "https://e.org/",
            "title": "T",
            "encrypted_content": pack_snippet("The snippet."),
            "page_age": None,
        }
        called, found = SEARCHED
        pair.claude.enqueue(sse(message_text("Right.")))
        reply = await client.post(MESSAGES, asking(called, {**found, "content": [hit]}, TEXT))
        assert text_of(reply.events) == "Right."
        blocks = pair.claude.chats[0].json["messages"][1]["content"]
        assert [block["type"] for block in blocks] == ["text", "text"]
        assert "https://e.org/" in blocks[0]["text"]
        assert "The snippet." in blocks[0]["text"]


class FallbackTests:
    """A route over two kinds."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_to_chat(self, pair: Pair, stream: bool) -> None:
        """If Anthropic is overloaded, the chat backend answers the same conversation."""
        client = await pair.client()
        pair.claude.script = lambda _: message_error(529, "overloaded_error", "Overloaded")
        pair.chat.script = lambda _: sse(chat_stream(text="From the other."))
        reply = await client.post(MESSAGES, asking(model="auto", stream=stream))
        assert reply.status == 200
        assert reply.headers["x-claude-bridge-model"] == "chat/test-model"
        said = text_of(reply.events) if stream else reply.json["content"][0]["text"]
        assert said == "From the other."

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_from_chat(self, pair: Pair, stream: bool) -> None:
        """If the chat backend is down, Anthropic answers, in its own bytes."""
        client = await pair.client(route="glm, opus")
        pair.chat.script = lambda _: error(503, {"message": "down"})
        sent = message_stream(TEXT)
        pair.claude.script = lambda _: sse(sent) if stream else message_json(TEXT)
        reply = await client.post(MESSAGES, asking(model="auto", stream=stream))
        assert reply.headers["x-claude-bridge-model"] == "claude/claude-test"
        assert reply.body == b"".join(sent) if stream else reply.json["content"] == [TEXT]

    @pytest_twisted.ensureDeferred
    async def test_what_only_anthropic_can_do(self, pair: Pair) -> None:
        """If Anthropic is overloaded, a request that no other kind can answer is told that, so that it is repeated."""
        client = await pair.client()
        pair.claude.script = lambda _: message_error(529, "overloaded_error", "Overloaded")
        servers = [{"type": "url", "name": "m", "url": "https://m.example/mcp"}]
        reply = await client.post(MESSAGES, asking(model="auto", mcp_servers=servers))
        assert (reply.status, reply.json["error"]["type"]) == (529, "overloaded_error")
        assert pair.chat.chats == []

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("route", ["opus, glm", "glm, opus"])
    async def test_thread(self, pair: Pair, route: str) -> None:
        """A conversation that Anthropic keeps is asked for as a whole where another kind is to answer."""
        client = await pair.client(route=route)
        pair.claude.script = lambda _: message_error(529, "overloaded_error", "Overloaded")
        thread = {"type": "continue", "previous_message_id": "msg_1"}
        reply = await client.post(MESSAGES, asking(model="auto", thread=thread))
        assert reply.status == 400
        assert reply.json["error"]["details"]["error_code"] == "thread_unsupported_request"


class OtherHostTests:
    """A key of Anthropic's."""

    @pytest_twisted.ensureDeferred
    async def test_is_sent_to_nobody_else(self, pair: Pair) -> None:
        """A service that is not Anthropic does not get it, whatever API it speaks."""
        client = await pair.client(route="opus", dialect="deepseek")
        reply = await client.post(MESSAGES, asking())
        assert reply.status == 401
        assert "not Anthropic" in reply.json["error"]["message"]
        assert pair.claude.chats == []
