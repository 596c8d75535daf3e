"""The daemon in front of a server of the Responses API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_twisted
from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, error, sse
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import ResponseEvents, encoded, response_stream, response_usage
from claude_bridge.testing.responses_backend import ResponsesBackend
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import ini
from tests.end_to_end.sse import names, text_of

MESSAGES = "/v1/messages"
MODEL = "gpt-5.6"
SESSION = {"x-claude-code-session-id": "session-1"}
TOOL = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {"n": {}}}}
THINKING: dict[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


SERVER = {"kind": "responses", "dialect": "openai"}
ONCE = {"max_attempts": "1", "patience": "0"}
"""Nothing that fails is tried again."""


def config(backend: ResponsesBackend, **route: str) -> str:
    """Write a configuration with one backend and one model."""
    return ini(f"{backend.url}/responses", {
        "backend:scripted": SERVER, "model:gpt": {"backend": "scripted", "name": MODEL},
        "route:default": {"models": "gpt", **route},
    })  # fmt: skip


def asked(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a request that is streamed unless told otherwise."""
    return {"model": "gpt", "max_tokens": 500, "stream": True, "messages": list(messages), **more}


def user(*content: Any) -> dict[str, Any]:
    """Make a message of the user's."""
    return {"role": "user", "content": list(content) if isinstance(content[0], dict) else content[0]}


def result(of: str, content: str) -> dict[str, Any]:
    """Make the result of a call."""
    return {"type": "tool_result", "tool_use_id": of, "content": content}


@pytest_twisted.async_yield_fixture()
async def backend(reactor: Any) -> AsyncIterator[ResponsesBackend]:
    """Yield a server of the Responses API."""
    server = ResponsesBackend(reactor, models=[MODEL])
    server.start()
    yield server
    await server.stop()


@pytest_twisted.async_yield_fixture()
async def client(reactor: Any, backend: ResponsesBackend, start_daemon: StartDaemon) -> AsyncIterator[Client]:
    """Yield a client of a daemon in front of it."""
    yield client_of(reactor, await start_daemon(config=config(backend)))


class AnswerTests:
    """Answers to both forms of request."""

    @pytest_twisted.ensureDeferred
    async def test_text(self, client: Client, backend: ResponsesBackend) -> None:
        """Text streams word by word, and comes whole to a client that does not stream; so do the counts."""
        usage = response_usage(100, 9, cached=60)
        backend.enqueue(*[sse(response_stream(text="It is sunny today.", usage=usage))] * 2)
        streamed = (await client.post(MESSAGES, asked(user("hi")))).events
        whole = (await client.post(MESSAGES, asked(user("hi"), stream=False))).json

        assert text_of(streamed) == whole["content"][0]["text"] == "It is sunny today."
        assert names(streamed).count("content_block_delta") == 4
        assert (whole["usage"]["input_tokens"], whole["usage"]["cache_read_input_tokens"]) == (40, 60)
        assert (whole["model"], whole["stop_reason"]) == ("gpt", "end_turn")

    @pytest_twisted.ensureDeferred
    async def test_learned(self, client: Client, backend: ResponsesBackend) -> None:
        """A field that is refused is left out in one retry, and from then on."""
        refusal = error(400, {
            "message": "Your organization must be verified to generate reasoning summaries.",
            "type": "invalid_request_error", "param": "reasoning.summary", "code": "unsupported_value",
        })  # fmt: skip
        answer = sse(response_stream(text="hi"))
        backend.enqueue(refusal, answer, answer)
        for _ in range(2):
            await client.post(MESSAGES, asked(user("hi"), **THINKING))

        assert [one.json["reasoning"] for one in backend.chats] == [
            {"effort": "high", "summary": "auto"}, {"effort": "high"}, {"effort": "high"},
        ]  # fmt: skip

    @pytest_twisted.ensureDeferred
    async def test_failures(self, reactor: Any, backend: ResponsesBackend, start_daemon: StartDaemon) -> None:
        """An answer that fails before it has said anything is an error with its status; after that it is an event."""
        client = client_of(reactor, await start_daemon(config=config(backend, **ONCE)))
        early, late = ResponseEvents(), ResponseEvents()
        early.begin()
        early.end("failed", error={"code": "server_error", "message": "out of memory"})
        late.begin()
        late.say("It ")
        late.add("error", code="server_error", message="out of memory", param=None)
        cut = response_stream(text="hi there")[:5]
        backend.enqueue(*map(sse, (encoded(early.events), encoded(late.events), cut)))

        assert (await client.post(MESSAGES, asked(user("hi")))).status == 502
        assert names((await client.post(MESSAGES, asked(user("hi")))).events)[-1] == "error"
        assert names((await client.post(MESSAGES, asked(user("hi")))).events)[-1] == "error"


class ToolLoopTests:
    """Conversations with tools and reasoning."""

    @pytest_twisted.ensureDeferred
    async def test_ten_turns(self, reactor: Any, backend: ResponsesBackend, start_daemon: StartDaemon) -> None:
        """Encrypted reasoning comes back byte for byte in every later turn, also to a bridge that was restarted.

        Each request begins with the bytes of the one before, so that the server knows the prefix.
        """
        secrets = [f"gAAAA{number}+/{'xYz=' * 30}{number}" for number in range(10)]
        turns: list[dict[str, Any]] = [user("Count to ten.")]
        daemon = await start_daemon(config=config(backend))
        for number, secret in enumerate(secrets):
            if number == 5:
                await daemon.stop()
                daemon = await start_daemon(config=config(backend))
            call = ToolCall(id=f"call_{number}", name="Read", arguments=json.dumps({"n": number}))
            backend.enqueue(sse(response_stream(reasoning=f"Now {number}.", encrypted=secret, calls=[call])))
            request = asked(*turns, tools=[TOOL], stream=False, **THINKING)
            message = (await client_of(reactor, daemon).post(MESSAGES, request, headers=SESSION)).json
            kinds = [block["type"] for block in message["content"]]
            assert kinds == ["thinking", "tool_use"]
            assert message["stop_reason"] == "tool_use"
            turns += [
                {"role": "assistant", "content": message["content"]},
                user(result(message["content"][-1]["id"], f"it is {number}")),
            ]

        assert all(one.problems == () for one in backend.chats)
        last = backend.chats[-1].json
        given = [item for item in last["input"] if item["type"] == "reasoning"]
        assert [item["encrypted_content"] for item in given] == secrets[:-1]
        assert [item["summary"][0]["text"] for item in given] == [f"Now {number}." for number in range(9)]
        assert last["prompt_cache_key"] == "session-1"
        for before, after in zip(backend.chats, backend.chats[1:], strict=False):
            assert after.body.startswith(before.body.removesuffix(b"]}"))

    @pytest_twisted.ensureDeferred
    async def test_unreadable(self, client: Client, backend: ResponsesBackend) -> None:
        """Reasoning that the server cannot read, as of another organisation's key, is left out in one retry.

        Other conversations keep theirs, and new reasoning is asked for.
        """
        call = ToolCall(id="call_1", name="Read", arguments='{"n":1}')
        words = "The encrypted content gAAA...OK for item rs_0 could not be verified."
        refusal = error(400, {"message": words, "code": "invalid_encrypted_content", "type": "invalid_request_error"})
        answer = sse(response_stream(text="One."))
        backend.enqueue(sse(response_stream(encrypted="gAAAAsecret", calls=[call])), refusal, answer, answer)
        begin = asked(user("Look."), tools=[TOOL], stream=False, **THINKING)
        content = (await client.post(MESSAGES, begin)).json["content"]
        turns = [user("Look."), {"role": "assistant", "content": content}, user(result(content[-1]["id"], "it is 1"))]
        for _ in range(2):
            said = (await client.post(MESSAGES, asked(*turns, tools=[TOOL], stream=False, **THINKING))).json
            assert said["content"][0]["text"] == "One."

        kinds = [[item["type"] for item in one.json["input"]].count("reasoning") for one in backend.chats]
        assert kinds == [0, 1, 0, 1]
        assert all(one.json["include"] == ["reasoning.encrypted_content"] for one in backend.chats)


@define(eq=False)
class Newest(ResponsesBackend):
    """OpenAI with a model like gpt-5.6, whose chat completions refuse tools while it reasons, as it does by default."""

    def answer(self, received: Received) -> Answer:
        """Refuse tools beside reasoning on one path, and take them on the other."""
        if received.path != "/v1/chat/completions":
            return ResponsesBackend.answer(self, received)
        self.requests.append(received)
        if received.json.get("tools") and received.json.get("reasoning_effort") != "none":
            return error(400, {
                "message": f"Function tools with reasoning_effort are not supported for {MODEL} in "
                "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
                "type": "invalid_request_error", "param": "reasoning_effort",
            })  # fmt: skip
        return error(500, {"message": "no reasoning without an effort"})


class NewestModelTests:
    """Models that have no tools beside reasoning on chat completions."""

    @pytest_twisted.ensureDeferred
    async def test_reasons_beside_tools(self, reactor: Any, start_daemon: StartDaemon) -> None:
        """The same model calls tools and thinks through ``kind = responses``; by the other it only does the first."""
        backend = Newest(reactor, models=[MODEL])
        backend.start()
        try:
            daemon = await start_daemon(config=ini(backend.url, {
                "backend:scripted": SERVER,
                "backend:chat": {"url": backend.url, "kind": "openai", "dialect": "openai"},
                "model:new": {"backend": "scripted", "name": MODEL},
                "model:old": {"backend": "chat", "name": MODEL},
                "route:default": {"models": "new", **ONCE},
            }))  # fmt: skip
            client = client_of(reactor, daemon)
            call = ToolCall(id="call_1", name="Read", arguments='{"n":1}')
            backend.enqueue(sse(response_stream(reasoning="I look.", encrypted="gAAAA", calls=[call])))
            request = asked(user("Look."), tools=[TOOL], stream=False, **THINKING)
            message = (await client.post(MESSAGES, {**request, "model": "new"})).json
            await client.post(MESSAGES, {**request, "model": "old"})
        finally:
            await backend.stop()

        assert [block["type"] for block in message["content"]] == ["thinking", "tool_use"]
        assert message["content"][0]["thinking"] == "I look."
        new, *old = [one for one in backend.requests if one.method == "POST"]
        assert new.json["reasoning"]["effort"] == "high"
        assert new.json["tools"][0]["name"] == "Read"
        assert {one.json["reasoning_effort"] for one in old} == {"none"}
