"""Both SDKs read every stream of the running daemon: as the same message, and a failure as a failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS, cut_after
from claude_bridge.testing.chat import ToolCall, chat_stream, chunk, events, sse
from tests.end_to_end.asking import ANSWER, BLOCKS, FINISH, FIRST_CONTENT, FULL, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.sdks import SDKS, SDKResult, read_by_sdk
from tests.environments import Environment

CALL = ToolCall(id="a", name="Read", arguments='{"path": "caf\\u00e9 \\ud83d\\ude00"}')

GOOD: dict[str, Answer] = {
    **{f"{size} bytes at a time": sse(ANSWER, size=size) for size in (1, 7, 37, 4096)},
    "normal": BEHAVIOURS["normal"],
    "usage late": BEHAVIOURS["usage late"],
    "no usage": BEHAVIOURS["no usage"],
    "ended without [DONE]": BEHAVIOURS["ended without [DONE]"],
    "cut after the finish reason": cut_after(ANSWER, FINISH, reset=False),
    "thinking only": sse(chat_stream(reasoning="Hm.")),
    "call only": sse(chat_stream(tool_calls=[CALL])),
    "call without arguments": sse(chat_stream(tool_calls=[ToolCall(id="a", name="Read", arguments="")])),
    "two calls with one id": sse(chat_stream(tool_calls=[CALL, CALL])),
    "length": sse(chat_stream(text="cut", finish="length")),
    "filtered": sse(chat_stream(text="no", finish="content_filter")),
    "control characters": sse(chat_stream(text="a\0b\x1b[1m\u2028\u2029\ufeff\x85", reasoning="\r\n\r\n")),
    "raw control characters in arguments": sse(
        events(
            [
                chunk({"role": "assistant", "tool_calls": [{
                    "index": 0, "id": "a", "type": "function",
                    "function": {"name": "Read", "arguments": '{"path": "a\n\tb"}'},
                }]}),
                chunk({}, finish="tool_calls"),
            ]
        )
    ),
    "empty": BEHAVIOURS["empty answer"],
}  # fmt: skip

BROKEN = {f"cut after {count}": cut_after(ANSWER, count, reset=False) for count in range(FIRST_CONTENT, FINISH)}


async def stream(client: Client, backend: ScriptedBackend, answer: Answer) -> bytes:
    """Get the bytes that a streaming client gets."""
    backend.script = lambda _: answer
    reply = await client.post(MESSAGES, FULL)
    assert reply.status == 200
    return reply.body


async def read(reactor: Any, environment: Environment, streams: dict[str, bytes]) -> dict[str, SDKResult]:
    """Let an SDK read all of them."""
    results: list[SDKResult] = await deferToThreadPool(
        reactor, reactor.getThreadPool(), read_by_sdk, environment, list(streams.values())
    )
    return dict(zip(streams, results, strict=True))


class SDKStreamTests:
    """Streams of the daemon, as the SDKs see them."""

    @pytest_twisted.ensureDeferred
    async def test_both(self, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """What ends well is one message, the same for both; what was broken off is none, both raise."""
        streams = {name: await stream(client, backend, answer) for name, answer in (GOOD | BROKEN).items()}
        new, old = await gatherResults([Deferred.fromCoroutine(read(reactor, one, streams)) for one in SDKS])
        for results in (new, old):
            assert {name: results[name].failure for name in GOOD if results[name].failure} == {}
            assert [name for name in BROKEN if "closed the connection" not in (results[name].failure or "")] == []
            for size in (1, 7, 37, 4096):
                message = results[f"{size} bytes at a time"].message or {}
                assert message["stop_reason"] == "tool_use"
                assert told(message["content"]) == told(BLOCKS)
        for name in GOOD:
            one, other = new[name].message or {}, old[name].message or {}
            assert [block["type"] for block in one["content"]] == [block["type"] for block in other["content"]]
            assert one["stop_reason"] == other["stop_reason"]
            assert one["stop_reason"] is not None


def told(blocks: Sequence[dict[str, Any]]) -> list[object]:
    """Return what blocks say."""
    return [block.get("thinking") or block.get("text") or block["input"] for block in blocks]
