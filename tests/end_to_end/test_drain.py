"""Stopping the daemon: what is under way ends well, what is idle does not hold it up, and there is a deadline."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Repeat, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chunk, events, sse
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, MESSAGES, said
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.processes import killed_late
from tests.end_to_end.raw import connect, head, post_json
from tests.end_to_end.sse import names

WHOLE = {**FULL, "stream": False}
SLOW = sse(ANSWER, pause=0.05)
PIECE = "x" * 16_384
TIMES = 512
LONG = Answer(
    200,
    STREAM_HEADERS,
    (Repeat(events([chunk({"role": "assistant", "content": PIECE})], done=False)[0], TIMES), *map(Send, ANSWER)),
)
CLEAN = {0, -signal.SIGTERM}
"""How systemd knows a service that was asked to stop and did: ended, or ended by the very signal it was sent."""


async def ended(daemon: Daemon, seconds: float = 20) -> float:
    """Wait for the daemon's end, which must be a clean one; gives the time."""
    assert await killed_late(daemon._reactor, daemon.process, seconds) in CLEAN
    return float(daemon._reactor.seconds())


class DrainTests:
    """SIGTERM."""

    @pytest_twisted.ensureDeferred
    async def test_under_way(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """Answers under way come to their end, streamed or not, to the last byte; then it ends at once."""
        backend.enqueue(SLOW, SLOW)
        stream = await client.send("POST", MESSAGES, FULL)
        whole = await connect(reactor, daemon.port)
        whole.send(post_json(WHOLE))
        await backend.arrivals.get()
        await backend.arrivals.get()
        daemon.process.signal("TERM")
        stopping = await daemon.wait_for("stopping")
        assert stopping["active"] == 2
        reply = await stream.whole()
        assert said(reply.events) == ALL_SAID
        assert names(reply.events)[-1] == "message_stop"
        assert (await whole.reply()).json["stop_reason"] == "tool_use"
        answered = reactor.seconds()
        assert await ended(daemon) - answered < 2

    @pytest_twisted.ensureDeferred
    async def test_slow_reader(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """A client that has yet to read most of its answer gets all of it."""
        backend.enqueue(LONG)
        reading = await client.send("POST", MESSAGES, FULL)
        reading.pause()
        await deferLater(reactor, 0.3)
        daemon.process.signal("TERM")
        await daemon.wait_for("stopping")
        await deferLater(reactor, 0.3)
        reading.resume()
        reply = await reading.whole()
        assert said(reply.events).startswith(PIECE * TIMES)
        assert len(said(reply.events)) == len(PIECE) * TIMES + len(ALL_SAID)
        assert names(reply.events)[-1] == "message_stop"
        await ended(daemon)

    @pytest_twisted.ensureDeferred
    async def test_idle_connections(self, daemon: Daemon, reactor: Any) -> None:
        """Connections that wait for nothing are closed at once."""
        fresh = await connect(reactor, daemon.port)
        used = await connect(reactor, daemon.port)
        used.send(head("GET", "/health"))
        assert (await used.reply()).status == 200
        asked = reactor.seconds()
        daemon.process.signal("TERM")
        for connection in (fresh, used):
            assert await connection.closed() - asked < 1
        assert await ended(daemon) - asked < 2

    @pytest_twisted.ensureDeferred
    async def test_half_sent(self, daemon: Daemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A request that was being sent is still answered, and its connection is not kept after that."""
        backend.enqueue(sse(ANSWER))
        head_cut, body_cut = await connect(reactor, daemon.port), await connect(reactor, daemon.port)
        head_cut.send(head("GET", "/v1/models")[:30])
        body_cut.send(post_json(WHOLE)[:-30])
        await deferLater(reactor, 0.1)
        daemon.process.signal("TERM")
        await daemon.wait_for("stopping")
        head_cut.send(head("GET", "/v1/models")[30:])
        body_cut.send(post_json(WHOLE)[-30:])
        assert (await head_cut.reply()).status == 200
        assert (await body_cut.reply()).json["stop_reason"] == "tool_use"
        answered = reactor.seconds()
        assert await ended(daemon) - answered < 2

    @pytest_twisted.ensureDeferred
    async def test_new_connections(self, daemon: Daemon, client: Client, backend: ScriptedBackend) -> None:
        """From the signal on nobody new is let in."""
        backend.enqueue(SLOW)
        reading = await client.send("POST", MESSAGES, FULL)
        daemon.process.signal("TERM")
        await daemon.wait_for("stopping")
        with pytest.raises(Refused):
            await client.get("/health")
        assert said((await reading.whole()).events) == ALL_SAID
        await ended(daemon)

    @pytest_twisted.ensureDeferred
    async def test_deadline(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """What is not finished in time is cut, so that a hanging backend cannot hold the stop up."""
        daemon = await start_daemon({"server": {"drain_timeout": "1"}})
        client = client_of(reactor, daemon)
        backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Stall())), LONG)
        hanging = await client.send("POST", MESSAGES, FULL)
        unread = await client.send("POST", MESSAGES, FULL)
        unread.pause()
        asked = reactor.seconds()
        daemon.process.signal("TERM")
        await hanging.ended()
        assert 0.9 < reactor.seconds() - asked < 2
        assert not hanging.is_complete
        assert b"message_stop" not in hanging.raw
        assert await ended(daemon) - asked < 5
        received = backend.chats
        assert [one.gone is not None for one in received] == [True, True]
        unread.resume()
        await unread.ended()
        assert [line["outcome"] for line in daemon.events("request")] == ["client_left"] * 2

    @pytest_twisted.ensureDeferred
    async def test_backend_asked(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """Idle connections to the backend do not hold it up either."""
        backend.enqueue(sse(ANSWER))
        await client.post(MESSAGES, FULL)
        assert backend.connections == 1
        asked = reactor.seconds()
        daemon.process.signal("TERM")
        assert await ended(daemon) - asked < 2
