"""Tests for `claude_bridge.services.search.addresses`."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from claude_bridge.services.search.addresses import AddressRefused, GuardedReactor, not_link_local, public_only
from claude_bridge.testing.searxng import FakeSearXNG

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "::1",
    "::",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]
LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]
OTHERS = ["224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "240.0.0.1"]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"]
NONSENSE = ["", "localhost", "127.1", "0x7f000001", "1.1.1.1:80", "[::1]"]


class CheckTests:
    """Which addresses may be asked."""

    @pytest.mark.parametrize("address", PRIVATE + LINK_LOCAL + OTHERS + NONSENSE)
    def test_hosted(self, address: str) -> None:
        """A hosted engine is never inside this network, in whatever form its address comes."""
        assert public_only(address)

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public(self, address: str) -> None:
        """Public addresses may be asked, by every engine."""
        assert public_only(address) == ""
        assert not_link_local(address) == ""

    @pytest.mark.parametrize("address", PRIVATE)
    def test_own_server(self, address: str) -> None:
        """The owner's own server may be anywhere in the own network."""
        assert not_link_local(address) == ""

    @pytest.mark.parametrize("address", LINK_LOCAL + NONSENSE)
    def test_metadata(self, address: str) -> None:
        """Link-local addresses, where clouds keep credentials, are refused even to the owner's server."""
        assert not_link_local(address)


class GuardedReactorTests:
    """The check is where the connection is made."""

    def test_refused(self) -> None:
        """An address that may not be asked is not connected to."""
        memory = MemoryReactorClock()
        with pytest.raises(AddressRefused, match=r"10\.0\.0\.1 is not a public address"):
            GuardedReactor(memory, public_only).connectTCP("10.0.0.1", 80, Factory())
        assert memory.tcpClients == []

    def test_allowed(self) -> None:
        """Any other is connected to as usual."""
        memory = MemoryReactorClock()
        GuardedReactor(memory, public_only).connectTCP("1.1.1.1", 443, ClientFactory(), 5)
        assert [client[:2] for client in memory.tcpClients] == [("1.1.1.1", 443)]

    @pytest_twisted.ensureDeferred
    async def test_names(self, reactor: Any) -> None:
        """A name that leads into this machine is refused by the address that it resolves to, not by its looks."""
        searxng = FakeSearXNG(reactor)
        searxng.start()
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        guarded: Any = GuardedReactor(reactor, public_only)
        with pytest.raises(AddressRefused):
            await _connect(HostnameEndpoint(guarded, "localhost", searxng.port), factory)
        open_: Any = GuardedReactor(reactor, not_link_local)
        connected = await _connect(HostnameEndpoint(open_, "127.0.0.1", searxng.port), factory)
        connected.transport.abortConnection()
        await searxng.stop()

    def test_nothing_else(self) -> None:
        """It is for clients, and the running reactor's own resolver is used."""
        guarded = GuardedReactor(MemoryReactorClock(), public_only)
        with pytest.raises(NotImplementedError):
            guarded.listenTCP(80, Factory())
        with pytest.raises(NotImplementedError):
            guarded.installNameResolver(guarded.nameResolver)


def _connect(endpoint: HostnameEndpoint, factory: Any) -> Deferred[Any]:
    connecting: Deferred[Any] = endpoint.connect(factory)
    return connecting
