"""However much is sent to a backend that hangs, or without an end, the daemon holds no more than was set aside."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import SECONDS, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.end_to_end.raw import RawConnection, connect, head, post

MEGABYTE = 1024 * 1024
BOUND = 256 * MEGABYTE
GZIP = "content-encoding: gzip"


class Hanging(Protocol):
    """A backend's connection: it says nothing, and where it is ``deaf`` takes nothing either."""

    transport: Any
    factory: Any

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the others."""
        self.factory.connections.append(self.transport)
        if self.factory.deaf:
            self.transport.pauseProducing()


class HangingBackend(Factory):
    """A backend that hangs."""

    protocol = Hanging
    noisy = False

    def __init__(self, *, deaf: bool) -> None:
        self.deaf = deaf
        self.connections: list[Any] = []


@pytest_twisted.async_yield_fixture()
async def hanging(reactor: Any) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Yield the sections of two backends that hang, with a model at each."""
    sections: dict[str, dict[str, str]] = {}
    listening = []
    for name in ("deaf", "silent"):
        backend = HangingBackend(deaf=name == "deaf")
        port = reactor.listenTCP(0, backend, interface="127.0.0.1")
        listening.append((backend, port))
        url = f"http://127.0.0.1:{port.getHost().port}/v1"
        sections[f"backend:{name}"] = {"url": url, "dialect": "generic"}
        sections[f"model:{name}"] = {"backend": name, "context_window": "100000000"}
    yield sections
    for backend, port in listening:
        await port.stopListening()
        for connection in backend.connections:
            connection.abortConnection()
    await deferLater(reactor, 0)


def peak_bytes(daemon: Daemon) -> int:
    """Measure the most memory that the daemon had at any time."""
    process: Any = daemon.process.transport
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def bomb(model: str, size: int = 30 * MEGABYTE, end: str = "") -> bytes:
    """Pack a request of ``size`` bytes."""
    messages = [{"role": "user", "content": "a" * size + end}]
    return gzip.compress(json.dumps({"model": model, "max_tokens": 9, "messages": messages}).encode(), 6)


async def refusals(reactor: Any, connections: list[RawConnection], least: int) -> list[Reply]:
    """Wait until so many were answered, and then for half a second that bring no more; return the answers."""
    limit = reactor.seconds() + SECONDS
    answered, quiet = 0, 0
    while answered < least or quiet < 5:
        assert reactor.seconds() < limit, f"only {answered} were answered"
        await deferLater(reactor, 0.1)
        now = sum(1 for connection in connections if connection.received)
        quiet = quiet + 1 if now == answered else 0
        answered = now
    return [await connection.reply() for connection in connections if connection.received]


async def still_serves(reactor: Any, daemon: Daemon) -> None:
    """Send an ordinary request to the backend that works."""
    body = {"model": "scripted/test-model", "max_tokens": 9, "messages": [{"role": "user", "content": "hi " * 20_000}]}
    assert (await client_of(reactor, daemon).post(MESSAGES, body)).status == 200


@pytest.fixture(autouse=True)
def friendly(backend: ScriptedBackend) -> None:
    """Let the backend that works answer everything."""
    backend.script = Friendly()


class MemoryTests:
    """What attackers and unlucky users send, with the default limits."""

    @pytest_twisted.ensureDeferred
    async def test_small_bodies_that_unpack(
        self, start_daemon: StartDaemon, reactor: Any, backend: ScriptedBackend, hanging: Sections
    ) -> None:
        """Twenty bodies of 30 KB that unpack to 30 MiB, for backends that hang, hold 256 MiB at most.

        Some wait, the others are told to come again, ordinary requests are served, and all comes back when they leave.
        """
        daemon = await start_daemon(config=ini(backend.url, hanging))
        await still_serves(reactor, daemon)
        before = daemon.resident_bytes
        for model, end in (("deaf", ""), ("silent", ""), ("deaf", "\U0001f600")):
            packed = bomb(model, end=end)
            connections = [await connect(reactor, daemon.port) for _ in range(20)]
            for connection in connections:
                connection.send(post(packed, GZIP))
            replies = await refusals(reactor, connections, 17)
            assert {reply.status for reply in replies} == {529}
            assert all(int(reply.headers["retry-after"]) > 0 for reply in replies)
            assert len(replies) < 20
            assert peak_bytes(daemon) - before < BOUND
            await still_serves(reactor, daemon)
            for connection in connections:
                if connection.closed_at is None:
                    connection.leave()
                    await connection.closed()
            await deferLater(reactor, 0.2)
            assert daemon.resident_bytes - before < 64 * MEGABYTE

    @pytest_twisted.ensureDeferred
    async def test_uploads_without_end(
        self, start_daemon: StartDaemon, reactor: Any, backend: ScriptedBackend, hanging: Sections
    ) -> None:
        """Eight bodies that unpack to all that is allowed and never end keep nobody else out."""
        daemon = await start_daemon(config=ini(backend.url, hanging))
        await still_serves(reactor, daemon)
        before = daemon.resident_bytes
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        packed = packer.compress(b" " * (32 * MEGABYTE - 8)) + packer.flush(zlib.Z_SYNC_FLUSH)
        connections = [await connect(reactor, daemon.port) for _ in range(8)]
        for connection in connections:
            connection.send(head("POST", MESSAGES, GZIP, f"content-length: {len(packed) + 1000}") + packed)
        await still_serves(reactor, daemon)
        await refusals(reactor, connections, 5)
        await still_serves(reactor, daemon)
        assert peak_bytes(daemon) - before < BOUND
        for connection in connections:
            connection.leave()
            await connection.closed()

    @pytest_twisted.ensureDeferred
    async def test_large_requests_one_after_the_other(self, start_daemon: StartDaemon, reactor: Any) -> None:
        """A request of the largest size is always served where nothing else goes on, also by a tight daemon."""
        daemon = await start_daemon({"limits": {"max_in_progress": "1M"}})
        text = "a" * (32 * MEGABYTE - 200)
        body = {"model": "test-model", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
        for _ in range(2):
            assert (await client_of(reactor, daemon).post(MESSAGES, body)).status == 200
