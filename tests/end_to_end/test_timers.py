"""The five time limits: each ends its own case, and none of them any other."""

from __future__ import annotations

import socket
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Repeat, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chunk, events, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.asking import ANSWER, FINISH, FULL, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.raw import connect, post_json
from tests.end_to_end.sse import names

GRACE = 5.0
"""Seconds for late usage after the finish reason (docs/design.md 7.1); not configurable."""

SWEEP = 1.0
"""A limit is met up to so many seconds late."""

SLACK = 1.5
"""For a busy machine."""

SHORT = "1"
LONG = "60"
LIMITS = ("connect", "first_byte", "idle")
LARGE = events([chunk({"role": "assistant", "content": "x" * 16_384})], done=False)[0]

ANSWERS = {
    "no head": Answer(200, STREAM_HEADERS, (Stall(),)),
    "no event": Answer(200, STREAM_HEADERS, (Send(b""), Stall())),
    "silence": Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Stall())),
    "no end": Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:FINISH]), Stall())),
    "long": Answer(200, STREAM_HEADERS, (Repeat(LARGE, 1024), *map(Send, ANSWER))),
    "good": sse(ANSWER),
}


def answer(received: Received) -> Answer:
    """Answer as the user says."""
    return ANSWERS[received.json["messages"][-1]["content"]]


def asking(case: str, backend: str) -> dict[str, Any]:
    """Ask a backend for one of the answers."""
    return {**FULL, "model": f"{backend}/test-model", "messages": [{"role": "user", "content": case}]}


@pytest.fixture
def nowhere() -> Iterator[int]:
    """Yield a port that accepts no connection and refuses none: its queue is full."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()[1]
        for one in waiting:
            one.close()


async def started(start_daemon: StartDaemon, backend: ScriptedBackend, nowhere: int, stalled: str) -> Daemon:
    """Start a daemon with a backend for each limit, named after the one that is short; each also at a dead address."""
    backend.script = answer
    sections: dict[str, dict[str, str]] = {
        "limits": {"stalled_client": stalled},
        "server": {"commit_after": LONG, "ping_interval": LONG},
    }
    for short in LIMITS:
        limits = {f"{limit}_timeout": SHORT if limit == short else LONG for limit in LIMITS}
        sections[f"backend:{short}"] = {"url": backend.url, **limits}
        sections[f"backend:dead_{short}"] = {"url": f"http://127.0.0.1:{nowhere}/v1", **limits}
    return await start_daemon(sections)


async def together(*cases: Coroutine[Any, Any, None]) -> None:
    """Run all at the same time."""
    await gatherResults([Deferred.fromCoroutine(case) for case in cases], consumeErrors=True)


async def fires(client: Client, case: str, backend: str) -> None:
    """The limit ends this case, in its time, with the status or the event that says so."""
    begun = client._reactor.seconds()
    reply = await client.post(MESSAGES, asking(case, backend))
    assert 0.9 < client._reactor.seconds() - begun < 1 + SWEEP + SLACK
    if case == "silence":
        assert names(reply.events)[-1] == "error"
        failure = reply.events[-1].data["error"]
    else:
        failure = reply.json["error"]
        assert reply.status == (502 if case == "dead" else 504)
    assert failure["type"] == ("api_error" if case == "dead" else "timeout_error")
    word = {"dead": "no connection within 1 s", "silence": "idle_timeout"}.get(case, "first_byte_timeout")
    assert word in failure["message"]


async def waits(client: Client, case: str, backend: str) -> None:
    """The limit does not end this case."""
    connection = await connect(client._reactor, int(client.base.rpartition(":")[2]))
    connection.send(post_json(asking(case, backend)))
    await deferLater(client._reactor, 1 + 2 * SWEEP)
    assert (b"message_start" in connection.received) == (case == "silence")
    assert b"error" not in connection.received
    assert connection.closed_at is None
    connection.leave()
    await connection.closed()


async def ends_well(client: Client, backend: str) -> None:
    """An answer that is only not closed is complete after the grace, and no limit calls it a failure."""
    begun = client._reactor.seconds()
    reply = await client.post(MESSAGES, asking("no end", backend))
    assert GRACE - 0.1 < client._reactor.seconds() - begun < GRACE + SWEEP + SLACK
    assert names(reply.events)[-1] == "message_stop"


async def stalls_and_reads_on(client: Client, backend: str) -> None:
    """A client that reads nothing for a while is no silence of the backend: it gets the whole answer."""
    reading = await client.send("POST", MESSAGES, asking("long", backend))
    reading.pause()
    await deferLater(client._reactor, 1 + 2 * SWEEP)
    reading.resume()
    reply = await reading.whole()
    assert names(reply.events)[-1] == "message_stop"
    assert len(reply.body) > 16_384 * 1024


async def is_cut(client: Client, backend: str) -> None:
    """A client that reads nothing is given up."""
    reading = await client.send("POST", MESSAGES, asking("long", backend))
    reading.pause()
    await deferLater(client._reactor, 1 + SWEEP + SLACK)
    reading.resume()
    await reading.ended()
    assert not reading.is_complete


class BackendTimerTests:
    """Limits on what a backend does."""

    @pytest_twisted.ensureDeferred
    async def test_each_and_no_other(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, nowhere: int
    ) -> None:
        """Connecting, the first byte, silence and the grace have a limit each; a slow client has none of them."""
        daemon = await started(start_daemon, backend, nowhere, LONG)
        client = client_of(reactor, daemon)
        await together(
            fires(client, "dead", "dead_connect"),
            waits(client, "dead", "dead_idle"),
            fires(client, "no head", "first_byte"),
            fires(client, "no event", "first_byte"),
            *(waits(client, case, backend) for case in ("no head", "no event") for backend in ("connect", "idle")),
            fires(client, "silence", "idle"),
            waits(client, "silence", "connect"),
            waits(client, "silence", "first_byte"),
            *(ends_well(client, backend) for backend in LIMITS),
            *(stalls_and_reads_on(client, backend) for backend in ("first_byte", "idle")),
        )
        outcomes = [line["outcome"] for line in daemon.events("request")]
        assert sorted(outcomes) == sorted(
            ["upstream_unreachable"] + ["upstream_timeout"] * 3 + ["client_left"] * 7 + ["ok"] * 5
        )


class ClientTimerTests:
    """The limit on what a client does."""

    @pytest_twisted.ensureDeferred
    async def test_stalled(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, nowhere: int
    ) -> None:
        """A client that leaves its answer unread is given up; backends that say nothing are not its fault."""
        daemon = await started(start_daemon, backend, nowhere, SHORT)
        client = client_of(reactor, daemon)
        await together(
            *(is_cut(client, backend) for backend in LIMITS),
            waits(client, "no head", "connect"),
            waits(client, "silence", "connect"),
            waits(client, "silence", "first_byte"),
        )
        assert [line["outcome"] for line in daemon.events("request")] == ["client_left"] * 6
        assert (await client.post(MESSAGES, asking("good", "idle"))).events[-1].name == "message_stop"
