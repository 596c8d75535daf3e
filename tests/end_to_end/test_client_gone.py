"""Clients that leave: the backend's connection is closed at once, whatever it is doing, and nobody is blamed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Pause, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.asking import ANSWER, FULL, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.raw import RawConnection, connect, head, post_json

TRIES = 3
WITHIN = 0.1
"""Seconds from a client's leaving to the end of the backend's connection (docs/design.md 7.4)."""

WHOLE = {**FULL, "stream": False}
BREAKER = {"enabled": "yes", "failures": "1", "open_seconds": "600"}


def stalled(*parts: bytes) -> Answer:
    """Send the head and these parts, then nothing more."""
    return Answer(200, STREAM_HEADERS, (Send(b""), *map(Send, parts), Stall()))


PHASES: dict[str, tuple[Answer, dict[str, Any], bytes]] = {
    "before the head": (Answer(200, STREAM_HEADERS, (Stall(),)), FULL, b""),
    "before the head, not streaming": (Answer(200, STREAM_HEADERS, (Stall(),)), WHOLE, b""),
    "in silence after the head": (stalled(), FULL, b""),
    "in comments": (Answer(200, STREAM_HEADERS, (Send(b": wait\n\n"), Pause(0.02)) * 1000), FULL, b""),
    "after the role": (stalled(*ANSWER[:1]), FULL, b""),
    "in silence after text": (stalled(*ANSWER[:5]), FULL, b"text_delta"),
    "mid-stream": (sse(ANSWER * 50, pause=0.01), FULL, b"text_delta"),
    "in a tool call": (stalled(*ANSWER[:9]), FULL, b"partial_json"),
    "mid-stream, not streaming": (stalled(*ANSWER[:9]), WHOLE, b""),
    "an error's body": (Answer(500, (), (Send(b"{"), Stall())), FULL, b""),
}


async def leave(connection: RawConnection, received: Received, *, reset: bool) -> float:
    """Leave, and return the seconds until the backend noticed."""
    left = time.monotonic()
    connection.leave(reset=reset)
    await received.when_over().addTimeout(5, connection._reactor)
    assert received.gone is not None, "the script ended first"
    return received.gone - left


def assert_prompt(times: list[float]) -> None:
    """Check that the delay is what it should be; one try may have been held up by the machine."""
    assert sorted(times)[1] < WITHIN, times
    assert max(times) < 10 * WITHIN, times


class LeavingTests:
    """A client that leaves while a backend is at work."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("commit_after", ["10", "0"], ids=["uncommitted", "committed early"])
    async def test_each_phase(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, commit_after: str
    ) -> None:
        """In every phase the backend's connection is gone within 0.1 s; it is logged, and the breaker stays closed."""
        daemon = await start_daemon({"breaker": BREAKER, "server": {"commit_after": commit_after}})
        for name, (answer, body, seen) in PHASES.items():
            times = []
            for number in range(TRIES):
                backend.enqueue(answer)
                connection = await connect(reactor, daemon.port)
                connection.send(post_json(body))
                received = await backend.arrivals.get()
                await connection.until(seen)
                await deferLater(reactor, 0.02)
                times.append(await leave(connection, received, reset=number == 1))
            assert_prompt(times)
            line = await daemon.wait_for("request", count=len(daemon.events("request")))
            assert (name, line["outcome"]) == (name, "client_left")
        assert len(daemon.events("request")) == TRIES * len(PHASES)
        assert {line["level"] for line in daemon.lines} == {"info"}
        await is_well(client_of(reactor, daemon), backend)

    @pytest_twisted.ensureDeferred
    async def test_sending(self, daemon: Daemon, client: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """A client that leaves inside its own request costs nothing: no backend is asked, nothing is reported."""
        for part in (head("POST", MESSAGES)[:40], post_json(FULL)[:-10], head("POST", MESSAGES, "content-length: 9")):
            connection = await connect(reactor, daemon.port)
            connection.send(part)
            await deferLater(reactor, 0.05)
            connection.leave()
            await connection.closed()
        await is_well(client, backend)
        assert len(backend.requests) == 2  # the list and the question of the check itself
        assert [line["outcome"] for line in daemon.events("request")] == ["ok"]
        assert all(line["level"] == "info" for line in daemon.lines)

    @pytest_twisted.ensureDeferred
    async def test_afterwards(self, client: Client, daemon: Daemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A client that leaves right after its answer has left nothing: the answer counts as complete."""
        for reset in (False, True):
            backend.enqueue(sse(ANSWER))
            connection = await connect(reactor, daemon.port)
            connection.send(post_json(FULL))
            await connection.until(b"message_stop")
            connection.leave(reset=reset)
        await is_well(client, backend)
        assert [line["outcome"] for line in daemon.events("request")] == ["ok"] * 3


class StallingLists(ScriptedBackend):
    """A backend that never gives its model list."""

    def answer(self, received: Received) -> Answer:
        """Keep lists waiting."""
        if received.path.startswith("/v1/models"):
            self.requests.append(received)
            self.arrivals.put(received)
            return Answer(200, (), (Stall(),))
        return super().answer(received)


@pytest_twisted.async_yield_fixture()
async def stalling(reactor: Any) -> AsyncIterator[StallingLists]:
    """Yield a backend that never gives its model list."""
    scripted = StallingLists(reactor)
    scripted.start()
    yield scripted
    await scripted.stop()


class LeavingListTests:
    """A client that leaves while the backend's model list is being asked for."""

    @pytest_twisted.ensureDeferred
    async def test_alone(self, start_daemon: StartDaemon, stalling: StallingLists, reactor: Any) -> None:
        """Nobody else waits for it, so that connection is closed too; the question itself is never sent."""
        daemon = await start_daemon(config=ini(stalling.url, {"breaker": BREAKER}))
        asked = (post_json(FULL), post_json(WHOLE), head("GET", "/v1/models"), head("GET", "/v1/models/x"))
        for request in asked:
            times = []
            for number in range(TRIES):
                connection = await connect(reactor, daemon.port)
                connection.send(request)
                received = await stalling.arrivals.get()
                await deferLater(reactor, 0.02)
                times.append(await leave(connection, received, reset=number == 1))
            assert_prompt(times)
        await daemon.wait_for("request", count=TRIES * len(asked))
        assert {line["level"] for line in daemon.lines} == {"info"}
        assert {line["outcome"] for line in daemon.events("request")} == {"client_left"}
        assert stalling.chats == []

    @pytest_twisted.ensureDeferred
    async def test_others_wait(self, start_daemon: StartDaemon, stalling: StallingLists, reactor: Any) -> None:
        """Whoever still waits for the same list is not disturbed, and is served when the list does not come."""
        daemon = await start_daemon(config=ini(stalling.url))
        first, second = await connect(reactor, daemon.port), await connect(reactor, daemon.port)
        for connection in (first, second):
            connection.send(post_json(FULL))
        received = await stalling.arrivals.get()
        await deferLater(reactor, 0.1)
        first.leave()
        await deferLater(reactor, 0.1)
        assert received.gone is None
        stalling.enqueue(sse(ANSWER))
        begun = reactor.seconds()
        assert (await second.reply()).events[-1].name == "message_stop"
        assert reactor.seconds() - begun < 3  # a list is waited for two seconds, once
        assert len(stalling.requests) == 2


async def is_well(client: Client, backend: ScriptedBackend) -> None:
    """Check that the next request is served."""
    backend.enqueue(sse(ANSWER))
    assert (await client.post(MESSAGES, FULL)).events[-1].name == "message_stop"
