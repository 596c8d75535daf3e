"""The real llama.cpp with a real small model behind the daemon, as somebody at home has it.

The model has 135 million parameters: what it says means little, how it is said is what counts. All is asked with
temperature 0, so that it says the same every time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.web.client import ResponseNeverReceived

from tests.contract.schema import validate_stream
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Sections, ini
from tests.end_to_end.llamacpp import MODEL, THINKING, TOOLS, serve
from tests.end_to_end.peers import Peer
from tests.end_to_end.sdks import SDKS, read_by_sdk
from tests.end_to_end.sse import Event, names, text_of

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]

SECONDS = 240.0
"""Limit for an answer: 30 tokens a second are read on a busy machine, 100 on an idle one."""

WINDOW = 4096
"""Context window of the server with the model's own template."""

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"

CAPITAL: dict[str, Any] = {"role": "user", "content": "What is the capital of France?"}

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
PARIS: dict[str, Any] = {"role": "user", "content": "What is the weather in Paris?"}

LONG = {"role": "user", "content": "All work and no play makes Jack a dull boy. " * 280}
"""Over 3,000 tokens, half a minute to read on an idle machine."""

ALWAYS = "Think always."
"""The system prompt with which the template of `thinking` cannot be made to leave thinking out."""

NAMED: Sections = {"model:small": {"backend": "scripted", "name": MODEL}}
"""With a name of its own the model need not be looked for in the backend's list."""

MESSAGES_API: Sections = {"backend:scripted": {"kind": "anthropic"}}
HEADERS = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}

TIME: dict[str, Any] = {
    "name": "get_time",
    "description": "Tells the time of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def asked(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a request, streamed unless told otherwise."""
    return {
        "model": MODEL, "max_tokens": 60, "temperature": 0, "stream": True, "messages": list(messages or [CAPITAL]),
        **more,
    }  # fmt: skip


def wrong(times: int) -> dict[str, Any]:
    """Make a prompt of about seven tokens a time."""
    return {"role": "user", "content": "Tell me what is wrong here. " * times}


def prompt_tokens(usage: dict[str, Any]) -> int:
    """Add up all parts of a prompt."""
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage[part] or 0 for part in parts)


def started_usage(events: list[Event]) -> dict[str, Any]:
    """Return what ``message_start`` says was used."""
    usage: dict[str, Any] = events[0].data["message"]["usage"]
    return usage


def final(events: list[Event]) -> dict[str, Any]:
    """Return the data of ``message_delta``, after which only the end comes."""
    *_, delta, stop = (event for event in events if event.name != "ping")
    assert (delta.name, stop.name) == ("message_delta", "message_stop")
    data: dict[str, Any] = delta.data
    return data


def tool_uses(events: list[Event]) -> list[dict[str, Any]]:
    """Put each call together, as it goes back into the conversation."""
    starts = [event.data for event in events if event.name == "content_block_start"]
    blocks = [data for data in starts if data["content_block"]["type"] == "tool_use"]
    return [
        {
            **{name: data["content_block"][name] for name in ("type", "id", "name")},
            "input": json.loads(_joined(events, "partial_json", data["index"])),
        }
        for data in blocks
    ]


def thinking_of(events: list[Event]) -> str:
    """Put the thinking together."""
    return _joined(events, "thinking")


def _joined(events: list[Event], key: str, index: int | None = None) -> str:
    deltas = [event.data for event in events if event.name == "content_block_delta"]
    return "".join(data["delta"].get(key, "") for data in deltas if index in {None, data["index"]})


def result(call: dict[str, Any], text: str) -> dict[str, Any]:
    """Answer a call."""
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": text}]}


async def slot(reactor: Any, server: Peer) -> dict[str, Any]:
    """Ask the server itself for the state of its only slot."""
    (state,) = (await Client(reactor, server.url).get("/slots", seconds=SECONDS)).json
    told: dict[str, Any] = state
    return told


async def idle(reactor: Any, server: Peer, seconds: float) -> int:
    """Wait until the server has nothing to do; gives the most tokens of a prompt that it was seen to have read."""
    limit, most = time.monotonic() + seconds, 0
    while (state := await slot(reactor, server))["is_processing"]:
        most = max(most, state["n_prompt_tokens_processed"])
        assert time.monotonic() < limit, state
        await deferLater(reactor, 0.05)
    return most


def config_for(server: Peer, sections: Sections | None = None) -> str:
    """Write a configuration that says of the backend only where it is."""
    return ini(f"{server.url}/v1", sections)


@pytest_twisted.async_yield_fixture(scope="module")
async def plain(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server with the model's own template."""
    server = await serve(reactor, WINDOW)
    yield server
    await server.stop(reactor)


@pytest_twisted.async_yield_fixture(scope="module")
async def calling(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server whose template knows tools."""
    server = await serve(reactor, 2048, TOOLS)
    yield server
    await server.stop(reactor)


@pytest_twisted.async_yield_fixture(scope="module")
async def thinking(reactor: Any) -> AsyncIterator[Peer]:
    """Yield a server whose template lets the model think."""
    server = await serve(reactor, 2048, THINKING)
    yield server
    await server.stop(reactor)


class DetectionTests:
    """Nothing is configured but the address."""

    @pytest_twisted.ensureDeferred
    async def test_found_out(self, reactor: Any, start_daemon: StartDaemon, plain: Peer, tmp_path: Path) -> None:
        """The dialect is found out and told once; the next start knows it, and what it gives, before any answer."""
        config = config_for(plain, {"server": {"state_dir": str(tmp_path / "state")}, **NAMED})
        first = await start_daemon(config=config)
        reply = await client_of(reactor, first).post(MESSAGES, asked(model="small"), seconds=SECONDS)
        assert text_of(reply.events).strip()
        await client_of(reactor, first).post(MESSAGES, asked(model="small"), seconds=SECONDS)
        (told,) = first.events("dialect")
        assert (told["dialect"], told["message"]) == (
            "llamacpp", "backend scripted speaks the dialect llamacpp: header Server: llama.cpp"
        )  # fmt: skip
        assert await first.stop() in {0, -15}

        second = await start_daemon(config=config)
        client = client_of(reactor, second)
        counted = (await client.post(COUNT, {"model": "small", "messages": [CAPITAL]})).json["input_tokens"]
        (known,) = second.events("backend")
        assert known["dialect"] == "llamacpp"
        assert "found out earlier" in known["message"]
        reply = await client.post(MESSAGES, asked(model="small"), seconds=SECONDS)
        assert prompt_tokens(started_usage(reply.events)) == counted == prompt_tokens(final(reply.events)["usage"])
        assert second.events("dialect") == []


class PlainTests:
    """Text, windows and progress, with the model's own template."""

    @pytest_twisted.ensureDeferred
    async def test_streamed(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """An answer comes piece by piece, and says the same as one that comes whole."""
        daemon = await start_daemon(config=config_for(plain))
        client = client_of(reactor, daemon)
        streamed = (await client.post(MESSAGES, asked(), seconds=SECONDS)).events
        whole = (await client.post(MESSAGES, asked(stream=False), seconds=SECONDS)).json
        deltas = [event for event in streamed if event.name == "content_block_delta"]
        assert len(deltas) > 10
        assert whole["content"] == [{"type": "text", "text": text_of(streamed), "citations": []}]
        assert whole["usage"]["output_tokens"] == final(streamed)["usage"]["output_tokens"] > 10
        assert whole["stop_reason"] == final(streamed)["delta"]["stop_reason"]
        assert prompt_tokens(whole["usage"]) == prompt_tokens(final(streamed)["usage"])

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_overflow(self, reactor: Any, start_daemon: StartDaemon, plain: Peer, stream: bool) -> None:
        """A prompt that is too long is refused in the words that make the client compact, with the true numbers."""
        client = client_of(reactor, await start_daemon(config=config_for(plain)))
        long = wrong(900)
        counted = (await client.post(COUNT, {"model": MODEL, "messages": [long]})).json["input_tokens"]
        reply = await client.post(MESSAGES, asked(long, stream=stream), seconds=SECONDS)
        assert reply.status == 400
        assert reply.json["error"] == {
            "type": "invalid_request_error",
            "message": f"prompt is too long: {counted} tokens > {WINDOW} maximum",
        }
        assert counted > WINDOW

    @pytest_twisted.ensureDeferred
    async def test_foreseen_overflow(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """Once true counts are known, what is far too long is not even sent, and the number told is off by little."""
        daemon = await start_daemon(config=config_for(plain))
        client = client_of(reactor, daemon)
        await client.post(MESSAGES, asked(wrong(100), max_tokens=5), seconds=SECONDS)
        counted = (await client.post(COUNT, {"model": MODEL, "messages": [wrong(900)]})).json["input_tokens"]
        reply = await client.post(MESSAGES, asked(wrong(900)), seconds=SECONDS)
        found = re.fullmatch(r"prompt is too long: (\d+) tokens > (\d+) maximum", reply.json["error"]["message"])
        assert found
        assert (reply.status, int(found[2])) == (400, WINDOW)
        assert int(found[1]) == pytest.approx(counted, rel=0.05)
        assert (await daemon.wait_for("request", count=3))["attempts"] == 0

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_large_max_tokens(self, reactor: Any, start_daemon: StartDaemon, plain: Peer, stream: bool) -> None:
        """An answer longer than the window may be asked for, as Claude Code does; the server is asked for less."""
        client = client_of(reactor, await start_daemon(config=config_for(plain)))
        body = asked(stream=stream, max_tokens=128_000, stop_sequences=[","])
        reply = await client.post(MESSAGES, body, seconds=SECONDS)
        assert reply.status == 200
        assert 1024 <= (await slot(reactor, plain))["params"]["max_tokens"] < WINDOW

    @pytest_twisted.ensureDeferred
    async def test_progress(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """A stream begins with the true length of a long prompt while this is being read, and pings until then."""
        daemon = await start_daemon(config=config_for(plain, {"server": {"commit_after": "1", "ping_interval": "1"}}))
        sent = time.monotonic()
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, asked(LONG, max_tokens=5))
        times: list[tuple[str, float]] = []
        while not times or times[-1][0] != "message_stop":
            event = await reading.event(SECONDS)
            times.append((event.name, time.monotonic() - sent))
        events = (await reading.whole()).events
        first, total = prompt_tokens(started_usage(events)), prompt_tokens(final(events)["usage"])
        assert first == total > 3000
        before = times[: [name for name, _ in times].index("content_block_start") + 1]
        reading_seconds = before[-1][1] - before[0][1]
        assert len(before) > reading_seconds / 2  # a ping a second, and some to spare for a busy machine
        gaps = [later - earlier for (_, earlier), (_, later) in pairwise(before)]
        assert max(gaps) < max(5, reading_seconds / 2)

    @pytest_twisted.ensureDeferred
    async def test_leaves_answer(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """A client that leaves in the middle of an answer takes the model's work with it."""
        daemon = await start_daemon(config=config_for(plain))
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, asked(max_tokens=3000))
        while (await reading.event(SECONDS)).name != "content_block_delta":
            pass
        assert (await slot(reactor, plain))["is_processing"]
        reading.leave()
        await idle(reactor, plain, 10)
        assert (await daemon.wait_for("request"))["outcome"] == "client_left"

    @pytest_twisted.ensureDeferred
    async def test_leaves_prompt(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """A client that leaves while its prompt is read takes this work with it too, before it is half done."""
        daemon = await start_daemon(config=config_for(plain))
        other = {"role": "user", "content": "Another word. " * 900}
        client = client_of(reactor, daemon)
        total = (await client.post(COUNT, {"model": MODEL, "messages": [other]})).json["input_tokens"]
        sending = client.send("POST", MESSAGES, asked(other))
        while not (await slot(reactor, plain))["n_prompt_tokens_processed"]:
            await deferLater(reactor, 0.05)
        sending.cancel()
        with pytest.raises(ResponseNeverReceived):
            await sending
        most = await idle(reactor, plain, SECONDS)
        assert 0 < most < total / 2
        assert (await daemon.wait_for("request", count=2))["outcome"] == "client_left"


class ToolTests:
    """Calls, with a template that knows tools."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("choice", [{"type": "tool", "name": "get_weather"}, {"type": "any"}], ids=["tool", "any"])
    async def test_loop(self, reactor: Any, start_daemon: StartDaemon, calling: Peer, choice: dict[str, Any]) -> None:
        """A forced call comes as a stream of valid JSON for the tool, and its result is answered with text."""
        client = client_of(reactor, await start_daemon(config=config_for(calling)))
        tools = [TIME, WEATHER]
        body = asked(PARIS, tools=tools, tool_choice=choice)
        streamed = (await client.post(MESSAGES, body, seconds=SECONDS)).events
        (call,) = tool_uses(streamed)
        assert (call["name"], call["input"].keys()) == ("get_weather", {"city", "unit"})
        assert call["input"]["unit"] in {"c", "f"}
        assert final(streamed)["delta"]["stop_reason"] == "tool_use"
        assert text_of(streamed) == ""
        assert len([event for event in streamed if event.name == "content_block_delta"]) > 5

        whole = (await client.post(MESSAGES, {**body, "stream": False}, seconds=SECONDS)).json
        (same,) = whole["content"]
        assert (same["type"], same["name"], same["input"]) == ("tool_use", call["name"], call["input"])

        conversation = [PARIS, {"role": "assistant", "content": [call]}, result(call, "18 degrees and sunny")]
        answered = (await client.post(MESSAGES, asked(*conversation, tools=tools), seconds=SECONDS)).events
        assert "sunny" in text_of(answered)
        assert tool_uses(answered) == []

    @pytest_twisted.ensureDeferred
    async def test_one_of_two(self, reactor: Any, start_daemon: StartDaemon, calling: Peer) -> None:
        """The tool that the client names is the one that is called, however little it has to do with the question."""
        client = client_of(reactor, await start_daemon(config=config_for(calling)))
        body = asked(PARIS, tools=[TIME, WEATHER], tool_choice={"type": "tool", "name": "get_time"})
        (call,) = tool_uses((await client.post(MESSAGES, body, seconds=SECONDS)).events)
        assert call["name"] == "get_time"


class ThinkingTests:
    """Thinking, with a template that opens it in the prompt."""

    @pytest_twisted.ensureDeferred
    async def test_streamed(self, reactor: Any, start_daemon: StartDaemon, thinking: Peer) -> None:
        """Thinking comes as a stream of its own, ends when its budget is used up, and the answer follows."""
        client = client_of(reactor, await start_daemon(config=config_for(thinking)))
        asks = {"thinking": {"type": "enabled", "budget_tokens": 1024}}  # more than max_tokens, so three quarters of it
        body = asked({"role": "user", "content": "Tell me about the sea."}, max_tokens=80, **asks)
        events = (await client.post(MESSAGES, body, seconds=SECONDS)).events
        thought = thinking_of(events)
        assert len(thought) > 20
        assert text_of(events).strip()
        starts = [event.data["content_block"]["type"] for event in events if event.name == "content_block_start"]
        assert starts == ["thinking", "text"]
        whole = (await client.post(MESSAGES, {**body, "stream": False}, seconds=SECONDS)).json
        assert whole["content"] == [
            {"type": "thinking", "thinking": thought, "signature": ""},
            {"type": "text", "text": text_of(events), "citations": []},
        ]

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_hidden(self, reactor: Any, start_daemon: StartDaemon, thinking: Peer, stream: bool) -> None:
        """An answer that was thinking alone, of which nothing is shown, does not pass for a finished empty one."""
        client = client_of(reactor, await start_daemon(config=config_for(thinking)))
        body = asked(system=ALWAYS, thinking={"type": "disabled"}, stream=stream)
        reply = await client.post(MESSAGES, body, seconds=SECONDS)
        if stream:
            assert names(reply.events) == ["message_start", "message_delta", "message_stop"]
        else:
            assert reply.json["content"] == []
        told = final(reply.events) if stream else reply.json
        stop = told["delta"]["stop_reason"] if stream else told["stop_reason"]
        assert stop == "max_tokens"
        assert 0 < told["usage"]["output_tokens"] < body["max_tokens"]  # the model had said all that it wanted to

    @pytest_twisted.ensureDeferred
    async def test_disabled(self, reactor: Any, start_daemon: StartDaemon, thinking: Peer) -> None:
        """Thinking that the client switches off is switched off in the model."""
        client = client_of(reactor, await start_daemon(config=config_for(thinking)))
        body = asked(thinking={"type": "disabled"})
        events = (await client.post(MESSAGES, body, seconds=SECONDS)).events
        assert "Paris" in text_of(events)
        assert final(events)["delta"]["stop_reason"] == "end_turn"
        assert thinking_of(events) == ""


SYSTEM = "You are a patient teacher of geography. You answer in one sentence."

CONVERSATIONS: dict[str, dict[str, Any]] = {
    "a question": {"messages": [CAPITAL]},
    "a system prompt": {"system": SYSTEM, "messages": [CAPITAL]},
    "several turns": {
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            CAPITAL,
            {"role": "assistant", "content": [{"type": "text", "text": "Paris."}]},
            {"role": "user", "content": [{"type": "text", "text": "And of España? 🇪🇸"}]},
        ],
    },
}

CALL = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris", "unit": "c"}}

CALLS: dict[str, dict[str, Any]] = {
    **CONVERSATIONS,
    "tools": {"messages": [PARIS], "tools": [TIME, WEATHER], "tool_choice": {"type": "any"}},
    "one tool": {"messages": [PARIS], "tools": [TIME, WEATHER], "tool_choice": {"type": "tool", "name": "get_time"}},
    "results of tools": {
        "system": SYSTEM,
        "messages": [
            PARIS,
            {"role": "assistant", "content": [{"type": "text", "text": "I will look."}, CALL]},
            result(CALL, "18 degrees and sunny"),
        ],
        "tools": [TIME, WEATHER],
    },
}

THOUGHTS: dict[str, dict[str, Any]] = {
    **CONVERSATIONS,
    "thinking": {"messages": [CAPITAL], "thinking": {"type": "enabled", "budget_tokens": 1024}},
    "no thinking": {"messages": [CAPITAL], "thinking": {"type": "disabled"}},
}


class CountTests:
    """``count_tokens``, against what the server then says it has read."""

    @pytest_twisted.ensureDeferred
    async def test_calls(self, reactor: Any, start_daemon: StartDaemon, calling: Peer) -> None:
        """Conversations with tools are counted to the token."""
        client = client_of(reactor, await start_daemon(config=config_for(calling)))
        for name, body in CALLS.items():
            await assert_counted(client, name, body)

    @pytest_twisted.ensureDeferred
    async def test_thoughts(self, reactor: Any, start_daemon: StartDaemon, thinking: Peer) -> None:
        """So are conversations whose prompt depends on whether there is to be thinking."""
        client = client_of(reactor, await start_daemon(config=config_for(thinking)))
        for name, body in THOUGHTS.items():
            await assert_counted(client, name, body)


class PassThroughTests:
    """Its own Messages API, passed through."""

    @pytest_twisted.ensureDeferred
    async def test_text(self, reactor: Any, start_daemon: StartDaemon, plain: Peer) -> None:
        """An answer comes piece by piece, says the same as one that comes whole, and is accounted for."""
        daemon = await start_daemon(config=config_for(plain, MESSAGES_API))
        client = Client(reactor, daemon.url, HEADERS)
        reply = await client.post(MESSAGES, asked(), seconds=SECONDS)
        events = reply.events
        whole = (await client.post(MESSAGES, asked(stream=False), seconds=SECONDS)).json
        assert reply.headers["x-claude-bridge-model"] == f"scripted/{MODEL}"
        assert len([event for event in events if event.name == "content_block_delta"]) > 10
        assert whole["content"] == [{"type": "text", "text": text_of(events)}]
        assert whole["stop_reason"] == final(events)["delta"]["stop_reason"]
        counted = (await client.post(COUNT, {"model": MODEL, "messages": [CAPITAL]})).json["input_tokens"]
        for line in ((await daemon.wait_for("request")), (await daemon.wait_for("request", count=2))):
            assert line["input_tokens"] + line["cache_read_tokens"] == counted
            assert line["output_tokens"] == whole["usage"]["output_tokens"]
        assert [line["dialect"] for line in daemon.events("dialect")] == ["llamacpp"]

    @pytest_twisted.ensureDeferred
    async def test_loop(self, reactor: Any, start_daemon: StartDaemon, calling: Peer) -> None:
        """A forced call comes as a stream of valid JSON for the tool, and its result is answered with text."""
        client = Client(reactor, (await start_daemon(config=config_for(calling, MESSAGES_API))).url, HEADERS)
        body = asked(PARIS, tools=[TIME, WEATHER], tool_choice={"type": "tool", "name": "get_weather"})
        streamed = (await client.post(MESSAGES, body, seconds=SECONDS)).events
        (call,) = tool_uses(streamed)
        assert (call["name"], call["input"].keys()) == ("get_weather", {"city", "unit"})
        assert final(streamed)["delta"]["stop_reason"] == "tool_use"
        (same,) = (await client.post(MESSAGES, {**body, "stream": False}, seconds=SECONDS)).json["content"]
        assert (same["type"], same["name"], same["input"]) == ("tool_use", call["name"], call["input"])

        conversation = [PARIS, {"role": "assistant", "content": [call]}, result(call, "18 degrees and sunny")]
        answered = (await client.post(MESSAGES, asked(*conversation, tools=[TIME, WEATHER]), seconds=SECONDS)).events
        assert "sunny" in text_of(answered)

    @pytest_twisted.ensureDeferred
    async def test_sdks(self, reactor: Any, start_daemon: StartDaemon, calling: Peer) -> None:
        """Both SDKs read what it sends, although it leaves out many fields that the API's schema requires.

        Those are the ones that may be null, ``citations``, and ``input`` where a call begins.
        """
        client = Client(reactor, (await start_daemon(config=config_for(calling, MESSAGES_API))).url, HEADERS)
        call = asked(PARIS, tools=[TIME, WEATHER], tool_choice={"type": "any"})
        replies = [await client.post(MESSAGES, body, seconds=SECONDS) for body in (call, asked())]
        missing = {problem.rpartition(": ")[2] for reply in replies for problem in validate_stream(reply.events)}
        assert all("is a required property" in one or "listed in the 'oneOf'" in one for one in missing), missing
        for environment in SDKS:
            results = await deferToThreadPool(
                reactor, reactor.getThreadPool(), read_by_sdk, environment, [reply.body for reply in replies]
            )
            assert [one.failure for one in results] == [None, None]
            contents = [(one.message or {})["content"][0] for one in results]
            assert contents[0]["input"].keys() == {"city", "unit"}
            assert contents[1]["text"] == text_of(replies[1].events)

    @pytest_twisted.ensureDeferred
    async def test_counts(self, reactor: Any, start_daemon: StartDaemon, calling: Peer) -> None:
        """Its own counter counts what it then says that it has read."""
        client = Client(reactor, (await start_daemon(config=config_for(calling, MESSAGES_API))).url, HEADERS)
        for name, body in CALLS.items():
            counted = (await client.post(COUNT, {"model": MODEL, **body})).json["input_tokens"]
            ask = {"model": MODEL, "max_tokens": 5, "temperature": 0, **body}
            usage = (await client.post(MESSAGES, ask, seconds=SECONDS)).json["usage"]
            assert usage["input_tokens"] + usage["cache_read_input_tokens"] == counted, name

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False])
    async def test_overflow(self, reactor: Any, start_daemon: StartDaemon, plain: Peer, stream: bool) -> None:
        """A prompt that is too long is refused in the words that make the client compact, which are not its own."""
        client = client_of(reactor, await start_daemon(config=config_for(plain, MESSAGES_API)))
        counted = (await client.post(COUNT, {"model": MODEL, "messages": [wrong(900)]})).json["input_tokens"]
        reply = await client.post(MESSAGES, asked(wrong(900), stream=stream), seconds=SECONDS)
        assert reply.status == 400
        assert reply.json["error"]["message"] == f"prompt is too long: {counted} tokens > {WINDOW} maximum"


async def assert_counted(client: Client, name: str, body: dict[str, Any]) -> None:
    """Check that a count and the usage of an answer, whole and streamed, are the same."""
    counted = (await client.post(COUNT, {"model": MODEL, **body})).json["input_tokens"]
    ask = {"model": MODEL, "max_tokens": 5, "temperature": 0, **body}
    whole = (await client.post(MESSAGES, ask, seconds=SECONDS)).json
    events = (await client.post(MESSAGES, {**ask, "stream": True}, seconds=SECONDS)).events
    told = [prompt_tokens(usage) for usage in (whole["usage"], started_usage(events), final(events)["usage"])]
    assert told == [counted] * 3, name
