"""Promises of the listening sockets."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import error
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import capturedLogs

from claude_bridge.daemon.listeners import Listeners, ListenerSnapshot

LOOPBACK = "tcp:0:interface=127.0.0.1"


class ListenersTests:
    """Bound at the start, closed at the stop."""

    @pytest_twisted.ensureDeferred
    async def test_bind_and_close(self, reactor: Any, tmp_path: Any) -> None:
        """Each endpoint is bound at once, by the name of its site; after the close nobody gets in."""
        listeners = Listeners(reactor)
        listeners.bind("one", Factory.forProtocol(Protocol), [LOOPBACK, LOOPBACK])
        listeners.bind("two", Factory.forProtocol(Protocol), [f"unix:{tmp_path}/s"])
        first, second = listeners.addresses
        assert len({0, first[1], second[1]}) == 3
        *tcp, local = listeners.snapshot()
        assert tcp == [ListenerSnapshot(site="one", address=f"http://127.0.0.1:{port}") for _, port in (first, second)]
        assert local.site == "two"
        assert f"{tmp_path}/s" in local.address
        await listeners.close()
        with pytest.raises(error.ConnectionRefusedError):
            await TCP4ClientEndpoint(reactor, *first).connect(Factory.forProtocol(Protocol))

    @pytest_twisted.ensureDeferred
    async def test_taken(self, reactor: Any) -> None:
        """A port that somebody has is told by an exception that says so."""
        listeners = Listeners(reactor)
        listeners.bind("one", Factory.forProtocol(Protocol), [LOOPBACK])
        ((_, port),) = listeners.addresses
        with pytest.raises(error.CannotListenError, match=f"port {port} on 127.0.0.1 is taken"):
            listeners.bind("one", Factory.forProtocol(Protocol), [f"tcp:{port}:interface=127.0.0.1"])
        await listeners.close()

    @pytest_twisted.ensureDeferred
    async def test_announce(self, reactor: Any, tmp_path: Any) -> None:
        """The log has a line for each: with a URL that can be clicked, or with the path of a UNIX socket."""
        listeners = Listeners(reactor)
        listeners.bind("one", Factory.forProtocol(Protocol), [LOOPBACK, f"unix:{tmp_path}/s"])
        with capturedLogs() as told:
            listeners.announce()
        ((host, port),) = listeners.addresses
        tcp, local = [event for event in told if event.get("event") == "listening"]
        assert (tcp["host"], tcp["port"], tcp["url"]) == (host, port, f"http://{host}:{port}")
        assert f"{tmp_path}/s" in local["address"]
        await listeners.close()
