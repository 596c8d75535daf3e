"""Fixtures that run the real daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_twisted
from twisted.protocols.portforward import ProxyFactory

from claude_bridge.testing.backend import ScriptedBackend
from tests.contract.schema import assert_valid, validate_answer
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.services.upstream.test_endpoints import self_signed


class StartDaemon(Protocol):
    """Starts a daemon; it is stopped and checked when the test is over."""

    def __call__(
        self,
        sections: Sections | None = None,
        *,
        config: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Awaitable[Daemon]:
        """Start one in front of the scripted backend, with more ``sections``, or with a whole ``config`` instead."""


@pytest_twisted.async_yield_fixture()
async def start_daemon(reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[StartDaemon]:
    """Yield the means to start daemons."""
    started: list[Daemon] = []

    async def start(
        sections: Sections | None = None, *, config: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Daemon:
        folder = tmp_path / f"daemon{len(started)}"
        folder.mkdir()
        daemon = Daemon(reactor=reactor, folder=folder)
        started.append(daemon)
        await daemon.start(config if config is not None else ini(backend.url, sections), environment)
        return daemon

    yield start
    for daemon in started:
        await daemon.finish()


@pytest_twisted.async_yield_fixture()
async def tls_url(reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> AsyncIterator[str]:
    """Yield the backend's address over TLS; ``ca.pem`` is what to trust."""
    made = self_signed(names=("localhost",))
    (tmp_path / "ca.pem").write_bytes(made.pem)
    relay = ProxyFactory("127.0.0.1", backend.port)
    relay.noisy = False
    relay.protocol.clientProtocolFactory.noisy = False
    port = reactor.listenSSL(0, relay, made.options, interface="127.0.0.1")
    yield f"https://localhost:{port.getHost().port}/v1"
    await port.stopListening()


@pytest_twisted.async_yield_fixture()
async def daemon(start_daemon: StartDaemon) -> AsyncIterator[Daemon]:
    """Yield a daemon with default settings in front of the scripted backend."""
    yield await start_daemon()


def check_answer(path: str, reply: Reply) -> None:
    """Hold any answer of the daemon against the API's own schema."""
    assert_valid(validate_answer(path, reply.status, reply.headers, reply.body))


def client_of(reactor: Any, daemon: Daemon) -> Client:
    """Make a client as an SDK is one, which checks every whole answer."""
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    return Client(reactor, daemon.url, headers, check_answer)


@pytest.fixture
def client(reactor: Any, daemon: Daemon) -> Client:
    """Return a client of the daemon."""
    return client_of(reactor, daemon)
