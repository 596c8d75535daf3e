"""A client that reads slowly, or not at all, costs no memory and loses nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Repeat, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chunk, events, sse
from tests.end_to_end.asking import ANSWER, MESSAGES, STREAMED
from tests.end_to_end.client import Client
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.raw import connect, post_json
from tests.end_to_end.sse import names, text_of

MEGABYTE = 1024 * 1024
PIECE = "0123456789abcdef" * 1024
TIMES = 48 * 64
FIRST = events([chunk({"role": "assistant", "content": "Begin. "})], done=False)
DELTA = events([chunk({"content": PIECE})], done=False)[0]
LAST = events([chunk({}, finish="stop")])
LARGE = Answer(200, STREAM_HEADERS, (*map(Send, FIRST), Repeat(DELTA, TIMES), *map(Send, LAST)))
SMALL = Answer(200, STREAM_HEADERS, (*map(Send, FIRST), Repeat(DELTA, 64), *map(Send, LAST)))


class SlowClientTests:
    """An answer of 48 MiB for a client that stops reading."""

    @pytest_twisted.ensureDeferred
    async def test_memory(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """While it does not read, the daemon grows by less than 2 MiB; when it reads on, nothing is missing."""
        backend.enqueue(SMALL, LARGE)
        await client.post(MESSAGES, STREAMED)  # so that what only the first answer needs is there
        await deferLater(reactor, 2.0)  # and what its account needs, which is written within a second
        before = daemon.resident_bytes
        reading = await client.send("POST", MESSAGES, STREAMED)
        await reading.event()
        reading.pause()
        received = backend.chats[-1]
        sent, most = -1, 0
        while sent < received.sent:  # until nothing moves any more
            sent = received.sent
            await deferLater(reactor, 0.5)
            most = max(most, daemon.resident_bytes)
        assert received.ended is None
        assert sent < 40 * MEGABYTE, "the kernel's buffers took nearly all: the test shows nothing"
        assert most - before < 2 * MEGABYTE
        reading.resume()
        reply = await reading.whole()
        assert text_of(reply.events) == "Begin. " + PIECE * TIMES
        assert names(reply.events)[-1] == "message_stop"
        assert daemon.resident_bytes - before < 2 * MEGABYTE

    @pytest_twisted.ensureDeferred
    async def test_stalled_client_leaves(self, daemon: Daemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A client that leaves while it reads nothing frees its backend within 0.1 s too."""
        times = []
        for reset in (False, True, True):
            backend.enqueue(LARGE)
            connection = await connect(reactor, daemon.port)
            connection.send(post_json(STREAMED))
            await connection.until(b"Begin")
            connection.pause()
            await deferLater(reactor, 0.3)
            left = time.monotonic()
            connection.leave(reset=reset)
            await backend.chats[-1].when_over().addTimeout(5, reactor)
            gone = backend.chats[-1].gone
            assert gone is not None
            times.append(gone - left)
        assert sorted(times)[1] < 0.1, times
        await daemon.wait_for("request", count=3)
        assert [line["outcome"] for line in daemon.events("request")] == ["client_left"] * 3

    @pytest_twisted.ensureDeferred
    async def test_others(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """A client that reads nothing does not slow the others down."""
        backend.enqueue(LARGE, *[sse(ANSWER)] * 20)
        reading = await client.send("POST", MESSAGES, STREAMED)
        reading.pause()
        await deferLater(reactor, 0.3)
        begun = time.monotonic()
        for _ in range(20):
            assert (await client.post(MESSAGES, STREAMED)).events[-1].name == "message_stop"
        assert time.monotonic() - begun < 3
        reading.leave()
        await daemon.wait_for("request", count=21)
