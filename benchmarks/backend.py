"""The fake OpenAI-compatible backend, a process of its own: answers what the mark in a request asks for.

``python -m benchmarks.backend [PORT]`` prints its port and serves until standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time
from collections import Counter
from functools import cache
from typing import Any, cast

from attrs import define, field

from benchmarks import answers, mark, processes, requests
from benchmarks.http1 import Message, MessageReader
from benchmarks.requests import CALLS, MODEL, TOOLS
from benchmarks.scenarios import SCENARIOS, Scenario

BACKLOG = 4096
"""Connections that may wait: all slow streams come within seconds."""

INSPECTED = 3
"""Requests of each scenario that are looked into; more would make this process the slow one."""

_ASKED = {"openai": b"POST /v1/chat/completions", "anthropic": b"POST /v1/messages"}
"""How a gateway's request begins. The relay's is always the client's own; in the other API it is not looked into."""

_STREAMED = re.compile(rb'"stream"\s*:\s*true')


def fault(scenario: Scenario, body: bytes) -> str | None:
    """Return what is missing from a request, if anything."""
    if scenario.kind == "anthropic":
        found = mark.find(body)
        sent = body.replace(found[0].encode(), mark.blank(scenario.name).encode()) if found else body
        return None if sent == requests.render(scenario) else "it was not passed on as it is"
    request = json.loads(body)
    messages = request["messages"]
    if request.get("model") != MODEL:
        return f"model {request.get('model')!r}"
    if scenario.request != "claude_code":
        return None
    counts = {
        "tools": (len(request.get("tools") or ()), TOOLS),
        "calls": (sum(len(message.get("tool_calls") or ()) for message in messages), CALLS),
        "results": (sum(message["role"] == "tool" for message in messages), CALLS),
    }
    return next((f"{given} {name}, not {right}" for name, (given, right) in counts.items() if given != right), None)


@cache
def _script(name: str) -> answers.Script:
    return answers.script(SCENARIOS[name])


def _refusal(reason: str) -> bytes:
    return answers.json_answer({"error": {"message": f"benchmark: {reason}", "type": "invalid"}}, "400 Bad Request")


@define(eq=False)
class Backend(asyncio.Protocol):
    """One connection. An answer's first write goes out at once, the others one a turn or one a gap.

    :ivar inspected: requests looked at by scenario, shared by all connections.
    """

    inspected: Counter[str]
    _reader: MessageReader = field(factory=MessageReader, init=False)
    _transport: asyncio.Transport | None = field(default=None, init=False)
    _later: asyncio.Handle | None = field(default=None, init=False)
    _paused: bool = field(default=False, init=False)
    _scenario: Scenario = field(default=SCENARIOS["small"], init=False)
    _writes: tuple[bytes, ...] = field(default=(), init=False)
    _next: int = field(default=0, init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send each write as a packet of its own."""
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        """Stop."""
        self._transport = None
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer; a client asks again only after the whole answer, so there is one at a time."""
        for message in self._reader.feed(data):
            self._answer(message)

    def pause_writing(self) -> None:
        """Wait for a slow reader."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        if self._later is None:
            self._go_on()

    def _answer(self, request: Message) -> None:
        if request.head.startswith(b"GET "):
            self._write(answers.json_answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))
            return
        found = mark.find(request.body)
        if found is None or found[1] not in SCENARIOS:
            self._write(_refusal("the request has no mark"))
            return
        marked, self._scenario = found[0].encode(), SCENARIOS[found[1]]
        asked = _ASKED[self._scenario.kind]
        reason = self._inspect(request.body) if request.head.startswith(asked) else None
        self._write(self._first(marked, request.body) if reason is None else _refusal(reason))

    def _inspect(self, body: bytes) -> str | None:
        self.inspected[self._scenario.name] += 1
        return fault(self._scenario, body) if self.inspected[self._scenario.name] <= INSPECTED else None

    def _first(self, marked: bytes, body: bytes) -> bytes:
        """Return an answer's first write and plan the rest."""
        name = self._scenario.name
        script, blank = _script(name), mark.blank(name).encode()
        if self._scenario.answer == "json" or not _STREAMED.search(body):
            return script.whole.replace(blank, marked, 1)
        self._writes, self._next = script.writes, 1
        self._plan()
        return script.writes[0].replace(blank, marked, 1)

    def _plan(self) -> None:
        if self._next < len(self._writes):
            loop = asyncio.get_running_loop()
            gap = self._scenario.gap
            self._later = loop.call_later(gap, self._go_on) if gap else loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._later = None
        if self._paused or self._next >= len(self._writes):
            return
        data = self._writes[self._next]
        self._next += 1
        if self._scenario.stamped:
            data = data.replace(mark.NO_STAMP, mark.stamp(time.monotonic_ns()))
        self._write(data)
        self._plan()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve(port: int) -> None:
    """Serve on loopback until standard input closes, as it does when whoever started this is gone."""
    loop = asyncio.get_running_loop()
    inspected: Counter[str] = Counter()
    server = await loop.create_server(lambda: Backend(inspected), "127.0.0.1", port, backlog=BACKLOG)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    stdin = asyncio.StreamReader()
    pipe: Any = sys.stdin
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), pipe)
    await stdin.read()


def main() -> None:
    """Run."""
    processes.allow_many_files()
    for name in SCENARIOS:
        _script(name)  # rendering must not disturb what is measured
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))


if __name__ == "__main__":
    main()
