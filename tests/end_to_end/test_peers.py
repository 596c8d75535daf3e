"""Servers that others wrote to play a backend: aimock with its chaos, and llmock, which judges its clients."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.release import product
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import ini
from tests.end_to_end.patience import ask, is_broken_off
from tests.end_to_end.peers import Peer, start_peer
from tests.end_to_end.processes import run_program
from tests.end_to_end.sse import names, text_of
from tests.environments import LLMOCK, built
from tests.npm import AIMOCK, installed, npm

pytestmark = pytest.mark.peers

MODEL = "gpt-4"
JOURNAL = "/__aimock/journal?path=/v1/chat/completions"
FIXTURES = Path(__file__).with_name("aimock.json")

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}
CLEAN = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def asked(*turns: Any, stream: bool = True, **more: Any) -> dict[str, Any]:
    """Make a request of turns that the user and the assistant take."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": turn} for at, turn in enumerate(turns)]
    return {"model": MODEL, "max_tokens": 300, "stream": stream, "messages": messages, **more}


def blocks_of(reply: Reply) -> list[dict[str, Any]]:
    """Put the content together, whichever way it came; what only fills the schema is left out."""
    if reply.headers["content-type"] == "application/json":
        blocks: list[dict[str, Any]] = reply.json["content"]
    else:
        assert names(reply.events)[-2:] == ["message_delta", "message_stop"]
        blocks = _gathered(reply)
    return [{key: value for key, value in block.items() if key not in {"citations", "caller"}} for block in blocks]


def _gathered(reply: Reply) -> list[dict[str, Any]]:
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for event in reply.events:
        if event.name == "content_block_start":
            blocks[event.data["index"]] = dict(event.data["content_block"])
        elif event.name == "content_block_delta":
            index, delta = event.data["index"], event.data["delta"]
            for key in delta.keys() & {"text", "thinking"}:
                blocks[index][key] += delta[key]
            inputs[index] = inputs.get(index, "") + delta.get("partial_json", "")
    return [{**block, "input": json.loads(inputs[at])} if "input" in block else block for at, block in blocks.items()]


@pytest_twisted.async_yield_fixture(scope="module")
async def aimock(reactor: Any) -> AsyncIterator[Peer]:
    """Yield an aimock with the answers of ``aimock.json``."""
    program = installed(AIMOCK) / "node_modules" / AIMOCK.name / "dist" / "cli.js"
    command = [shutil.which("node") or "node", str(program), "--port", "0", "--fixtures", str(FIXTURES)]
    peer = await start_peer(reactor, command, os.environ, rb"listening on (http://\S+)")
    yield peer
    await peer.stop(reactor)


async def start_llmock(reactor: Any, *options: str) -> Peer:
    """Start an llmock that takes its time to stream, or it would have sent all before anybody can object."""
    command = [str(built(LLMOCK).folder / "bin" / "llmock"), "serve", "--port", "0", "--stream-chunk-delay-ms", "20"]
    return await start_peer(reactor, [*command, *options], CLEAN, rb"running on (http://\S+)")


@pytest_twisted.async_yield_fixture(scope="module")
async def llmock(reactor: Any) -> AsyncIterator[Peer]:
    """Yield an llmock with a small context window."""
    peer = await start_llmock(reactor, "--context-window", "2000")
    yield peer
    await peer.stop(reactor)


@pytest.fixture
def judge(reactor: Any, llmock: Peer) -> Client:
    """Return a client of llmock's own pages."""
    return Client(reactor, llmock.url)


@pytest.mark.skipif(npm() is None, reason="npm is not installed, so aimock cannot be")
class AimockTests:
    """aimock, a server that Node programmers test with."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_answers(self, reactor: Any, start_daemon: StartDaemon, aimock: Peer, stream: bool) -> None:
        """Text and thinking arrive as they were written."""
        client = client_of(reactor, await start_daemon(config=ini(f"{aimock.url}/v1")))
        reply = await client.post(MESSAGES, asked("hello", stream=stream))
        assert blocks_of(reply) == [{"type": "text", "text": "Hello there, and a very good morning to all of you."}]
        reply = await client.post(MESSAGES, asked("think", stream=stream, thinking=THINKING))
        assert blocks_of(reply) == [
            {"type": "thinking", "thinking": "Six times seven, that is easy.", "signature": ""},
            {"type": "text", "text": "The answer is 42."},
        ]

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_tool_loop(self, reactor: Any, start_daemon: StartDaemon, aimock: Peer, stream: bool) -> None:
        """Two calls at once get their results, under the ids that the backend gave them, and the loop ends."""
        client = client_of(reactor, await start_daemon(config=ini(f"{aimock.url}/v1")))
        calls = blocks_of(await client.post(MESSAGES, asked("weather?", stream=stream, tools=[WEATHER])))
        assert [(call["type"], call["name"], call["input"]) for call in calls] == [
            ("tool_use", "get_weather", {"city": "Paris"}),
            ("tool_use", "get_weather", {"city": "Rome"}),
        ]
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": told}
            for call, told in zip(calls, ("18 degrees", "21 degrees"), strict=True)
        ]
        conversation = ("weather?", calls, results)
        reply = await client.post(MESSAGES, asked(*conversation, stream=stream, tools=[WEATHER]))
        assert blocks_of(reply) == [{"type": "text", "text": "Rome is warmer than Paris."}]

    @pytest_twisted.ensureDeferred
    async def test_journal(self, reactor: Any, start_daemon: StartDaemon, aimock: Peer) -> None:
        """What the backend gets is a plain chat request, streamed whatever the client wants, and nothing besides."""
        client = client_of(reactor, await start_daemon(config=ini(f"{aimock.url}/v1")))
        mine = Client(reactor, aimock.url)
        before = len((await mine.get(JOURNAL)).json)
        call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
        conversation = ("hello", [{"type": "text", "text": "I look."}, call], [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 degrees", "is_error": False},
            {"type": "text", "text": "hello again"},
        ])  # fmt: skip
        choice = {"type": "tool", "name": "get_weather"}
        body = asked(*conversation, stream=False, system="Be brief.", tools=[WEATHER], tool_choice=choice, top_k=5)
        assert (await client.post(MESSAGES, body)).status == 200
        (entry,) = (await mine.get(JOURNAL)).json[before:]
        function = {"name": "get_weather", "arguments": '{"city":"Rome"}'}
        assert {name: value for name, value in entry["body"].items() if not name.startswith("_")} == {
            "model": MODEL,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 300,
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "description": WEATHER["description"],
                        "parameters": WEATHER["input_schema"],
                    },
                }
            ],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "hello"},
                {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
                },
                {"role": "tool", "tool_call_id": "toolu_1", "content": "21 degrees"},
                {"role": "user", "content": "hello again"},
            ],
        }
        assert entry["headers"].keys() == {
            "host", "content-length", "content-type", "accept", "user-agent", "authorization", "x-request-id"
        }  # fmt: skip
        assert entry["headers"]["user-agent"] == product("/")

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("chaos", "status", "kind"),
        [
            ("dropRate", 502, "api_error"),
            ("malformedRate", 502, "api_error"),
            ("disconnectRate", 502, "api_error"),
            ("rateLimitRate", 429, "rate_limit_error"),
        ],
    )
    async def test_chaos(
        self, reactor: Any, start_daemon: StartDaemon, aimock: Peer, chaos: str, status: int, kind: str
    ) -> None:
        """A fault before the answer has the right status for clients that stream and for others; then all is well."""
        client = client_of(reactor, await start_daemon(config=ini(f"{aimock.url}/v1")))
        mine = Client(reactor, aimock.url)
        await mine.post("/__aimock/chaos", {chaos: 1})
        replies = [await client.post(MESSAGES, asked("hello", stream=stream)) for stream in (True, False)]
        await mine.ask("DELETE", "/__aimock/chaos")
        for reply in replies:
            assert (reply.status, reply.json["error"]["type"]) == (status, kind)
            assert reply.headers.get("retry-after") == ("1" if status == 429 else None)
        good = await client.post(MESSAGES, asked("hello"))
        assert text_of(good.events).startswith("Hello")

    @pytest_twisted.ensureDeferred
    async def test_cut(self, reactor: Any, start_daemon: StartDaemon, aimock: Peer) -> None:
        """An answer that is cut never passes for a finished one."""
        client = client_of(reactor, await start_daemon(config=ini(f"{aimock.url}/v1")))
        streamed = await client.post(MESSAGES, asked("stop short"))
        assert is_broken_off(streamed)
        assert "This answer is going".startswith(text_of(streamed.events)[:20])
        assert text_of(streamed.events)
        whole = await client.post(MESSAGES, asked("stop short", stream=False))
        assert (whole.status, whole.json["error"]["type"]) == (502, "api_error")


CHAT = {"path": "/v1/chat/completions"}
AFTER = {"after_chunks": 3}

FAULTS: dict[str, tuple[dict[str, Any], list[int], list[int]]] = {
    "limited": ({"type": "fail", "status": 429, "retry_after": 1}, [200], [200]),
    "limited twice": ({"type": "fail", "status": 429, "times": 2}, [200], [200]),
    "overloaded": ({"type": "fail", "status": 503}, [200], [200]),
    "overloaded for long": ({"type": "fail", "status": 503, "times": 2}, [503, 200], [503, 200]),
    "broken": ({"type": "fail", "status": 500}, [200], [200]),
    "disconnected": ({"type": "stream_fault", "kind": "disconnect", **AFTER}, [200, 200], [200]),
    "disconnected at once": ({"type": "stream_fault", "kind": "disconnect", "after_chunks": 0}, [200], [200]),
    "truncated": ({"type": "stream_fault", "kind": "truncate", **AFTER}, [200, 200], [200]),
    "malformed": ({"type": "stream_fault", "kind": "malformed", **AFTER}, [200, 200], [502, 200]),
    "stalled": ({"type": "stream_fault", "kind": "stall", "stall_seconds": 20, **AFTER}, [200, 200], [504, 200]),
    "slow": ({"type": "slow_first_token", "seconds": 1.5}, [200], [200]),
    "refused": ({"type": "fail", "status": 400}, [400], [400]),
}
"""What llmock does, and the statuses that a client sees, one that streams and one that does not. What passes by itself
is tried once more by the bridge, so the client sees nothing of it."""


class LlmockTests:
    """llmock, which sees every attempt, and says at last what is wrong with its client.

    Its verdict is on the bridge and on the client behind it together. The bridge repeats what passes by itself, after
    the wait that is asked for; all else it hands on, with the wait, to its client. Claude Code asks eleven times.
    """

    @pytest_twisted.ensureDeferred
    async def test_faults(self, reactor: Any, start_daemon: StartDaemon, llmock: Peer, judge: Client) -> None:
        """With a client that asks again as Claude Code does the verdict is a pass without a single warning.

        That is: waits that the backend asks for are kept to, what was refused for good is not asked again, no
        answer that was cut or garbled passes for a whole one, and a stream that stalls is given up.
        """
        config = ini(f"{llmock.url}/v1", {"backend:scripted": {"idle_timeout": "1", "first_byte_timeout": "10"}})
        client = client_of(reactor, await start_daemon(config=config))
        await judge.post("/_llmock/reset", {})
        faults = 0
        for name, (behaviour, *statuses) in FAULTS.items():
            for stream, expected in zip((True, False), statuses, strict=True):
                await judge.post("/_llmock/scenario", {"behaviors": [{"match": CHAT, **behaviour}]})
                replies = await ask(reactor, client, asked(f"{name} {stream}", stream=stream))
                assert (name, stream, [reply.status for reply in replies]) == (name, stream, expected)
                *failed, last = replies
                faults += behaviour.get("times", 1) * (behaviour["type"] != "slow_first_token")
                assert all(reply.status != 200 or is_broken_off(reply) for reply in failed)
                assert last.status == 400 or blocks_of(last)[0]["text"]
        assert (await judge.get("/_llmock/scenario")).json == {"pending": []}
        verdict = (await judge.get("/_llmock/verdict")).json
        assert verdict["findings"] == []
        assert verdict["faults_injected"] == faults
        ran = await run_program(
            reactor,
            [str(built(LLMOCK).folder / "bin" / "llmock"), "report", "--strict", "--url", llmock.url],
            environment=CLEAN,
        )
        assert (ran.code, "PASS" in ran.out) == (0, True), ran.out

    @pytest_twisted.ensureDeferred
    async def test_impatient(self, reactor: Any, start_daemon: StartDaemon, llmock: Peer, judge: Client) -> None:
        """With a client that does not ask again there is one warning, that it gave up, and that is the client's choice.

        The bridge has told it all that it needs for another: the status, and how long to wait.
        """
        client = client_of(reactor, await start_daemon(config=ini(f"{llmock.url}/v1")))
        await judge.post("/_llmock/reset", {})
        failing = {"type": "fail", "status": 429, "retry_after": 7, "match": CHAT}
        await judge.post("/_llmock/scenario", {"behaviors": [failing]})
        reply = await client.post(MESSAGES, asked("Only once"))
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        verdict = (await judge.get("/_llmock/verdict")).json
        assert [(found["severity"], found["code"]) for found in verdict["findings"]] == [("warning", "gave_up")]
        assert verdict["passed"]

    @pytest_twisted.ensureDeferred
    async def test_quota(self, reactor: Any, start_daemon: StartDaemon) -> None:
        """A real quota of requests a minute slows a client down and stops nothing: short waits are the bridge's own."""
        peer = await start_llmock(reactor, "--stream-chunk-delay-ms", "0", "--rpm", "30")
        client = client_of(reactor, await start_daemon(config=ini(f"{peer.url}/v1")))
        tries = [await ask(reactor, client, asked(f"Number {number}")) for number in range(32)]
        assert [[reply.status for reply in replies] for replies in tries] == [[200]] * 32
        verdict = (await Client(reactor, peer.url).get("/_llmock/verdict")).json
        await peer.stop(reactor)
        assert verdict["faults_injected"] >= 1
        assert verdict["findings"] == []

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
    async def test_window(
        self, reactor: Any, start_daemon: StartDaemon, llmock: Peer, judge: Client, stream: bool
    ) -> None:
        """A prompt beyond the window is asked once, and refused in the words that make the client compact."""
        client = client_of(reactor, await start_daemon(config=ini(f"{llmock.url}/v1")))
        await judge.post("/_llmock/reset", {})
        replies = await ask(reactor, client, asked("word " * 3000, stream=stream))
        assert [reply.status for reply in replies] == [400]
        (sent,) = (await judge.get("/_llmock/requests")).json["requests"][-1:]
        told = replies[0].json["error"]["message"]
        words, _, numbers = told.partition(": ")
        used, window = (int(part.split()[0]) for part in numbers.split(" > "))
        assert (words, window, used > 3000) == ("prompt is too long", 2000, True)
        assert sent["fault"] == "context_window"
        assert (await judge.get("/_llmock/verdict")).json["findings"] == []

    @pytest_twisted.ensureDeferred
    async def test_broken_calls(self, reactor: Any, start_daemon: StartDaemon, llmock: Peer, judge: Client) -> None:
        """A call of no tool, or with half its input, reaches the client as such, which tells the model of it.

        The half stays a half in a stream; in a whole answer it is what Claude Code makes of it by itself.
        """
        client = client_of(reactor, await start_daemon(config=ini(f"{llmock.url}/v1")))
        await judge.post("/_llmock/reset", {})
        for kind in ("unknown_tool", "malformed_arguments"):
            for stream in (True, False):
                await judge.post("/_llmock/scenario", {"behaviors": [{"type": "tool_fault", "kind": kind}]})
                reply = await client.post(MESSAGES, asked(f"{kind} {stream}", stream=stream, tools=[WEATHER]))
                if kind == "unknown_tool":
                    (call,) = blocks_of(reply)
                    assert (call["name"], call["input"].keys()) == ("llmock_unknown_tool", {"city"})
                elif stream:
                    assert names(reply.events)[-1] == "message_stop"
                    with pytest.raises(ValueError, match="Unterminated string"):
                        blocks_of(reply)
                else:
                    (call,) = blocks_of(reply)
                    assert call["input"].keys() == {"__unparsedToolInput"}
        assert (await judge.get("/_llmock/verdict")).json["findings"] == []
