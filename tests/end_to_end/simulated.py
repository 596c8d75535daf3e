"""Real sockets under a simulated clock: ten minutes pass in a second, and every byte still goes through the kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_twisted
from attrs import define, field
from twisted.internet.task import Clock, deferLater
from zope.interface import directlyProvides, providedBy

from claude_bridge.config.schema import Backend, Config, Server
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.service import Bridge, build
from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import check_answer
from tests.end_to_end.daemon import LISTEN

TURNS = 5
"""Turns of the reactor between two looks at the clock: backend to bridge, bridge to client, and some to spare."""


class SimulatedTime:
    """A reactor whose connections are real and whose time is a `Clock`'s."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.clock = Clock()
        self.seconds = self.clock.seconds
        self.callLater = self.clock.callLater
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def callWhenRunning(self, function: Callable[[], object]) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: what the daemon does then is to tune its process, and this one is pytest's."""

    async def turn(self) -> None:
        """Let bytes arrive."""
        for _ in range(TURNS):
            self.clock.advance(0)
            await deferLater(self._reactor, 0)

    async def pass_time(self, seconds: float, each: Callable[[], object] = lambda: None) -> None:
        """Let time pass in steps of a second, and call ``each`` after each."""
        for _ in range(round(seconds)):
            self.clock.advance(1)
            await self.turn()
            each()


@define(eq=False, kw_only=True)
class Scene:
    """The bridge and a backend, both in simulated time; the client in real time."""

    time: SimulatedTime
    backend: ScriptedBackend
    bridge: Bridge
    client: Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Connect the client."""
        host, port = self.bridge.addresses[0]
        headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
        self.client = Client(self.time._reactor, f"http://{host}:{port}", headers, check_answer)


@pytest_twisted.async_yield_fixture()
async def scene(reactor: Any) -> AsyncIterator[Scene]:
    """Yield a bridge with default settings, in this process."""
    time = SimulatedTime(reactor)
    backend = ScriptedBackend(time, monotonic=time.seconds)
    backend.start()
    config = Config(server=Server(listen=(LISTEN,)), backends={"scripted": Backend(name="scripted", url=backend.url)})
    bridge = build(config, time, Redactor(()), time.seconds)
    bridge.privilegedStartService()
    bridge.startService()
    yield Scene(time=time, backend=backend, bridge=bridge)
    stopped = bridge.stopService()
    await time.pass_time(3)
    await stopped
    await backend.stop()
