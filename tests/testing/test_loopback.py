"""Tests for `claude_bridge.testing.loopback`, on real loopback sockets."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from attrs import define

from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.loopback import LoopbackServer
from claude_bridge.testing.received import Received
from tests.end_to_end.client import Client


@define(eq=False)
class Echo(LoopbackServer):
    """Says what it was asked."""

    def answer(self, received: Received) -> Answer:
        """Echo the path, or never answer."""
        if received.path == "/stall":
            return Answer(200, (), (Send(b""), Stall()))
        return Answer(200, (), (Send(received.path.encode()),))


class LoopbackServerTests:
    """A server that lives as long as its test."""

    @pytest_twisted.ensureDeferred
    async def test_answers(self, reactor: Any) -> None:
        """Every path is answered by whoever inherits."""
        echo = Echo(reactor)
        echo.start()
        assert (await Client(reactor, f"http://127.0.0.1:{echo.port}").get("/any?x=1")).body == b"/any?x=1"
        await echo.stop()

    @pytest_twisted.ensureDeferred
    async def test_stop(self, reactor: Any) -> None:
        """Stopping breaks what is under way, and may be done twice."""
        echo = Echo(reactor)
        echo.start()
        reading = await Client(reactor, f"http://127.0.0.1:{echo.port}").send("GET", "/stall")
        assert echo.connections == 1
        await echo.stop()
        await reading.ended()
        assert echo.connections == 0
        await echo.stop()

    def test_not_started(self, reactor: Any) -> None:
        """Before it listens it has no port, and by itself it has no answer."""
        with pytest.raises(RuntimeError, match="not started"):
            _ = Echo(reactor).port
        with pytest.raises(NotImplementedError):
            LoopbackServer(reactor).answer(None)  # type: ignore[arg-type]
