"""Tests for `claude_bridge.services.search.addresses`."""

from __future__ import annotations

from typing import Any, Final

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from claude_bridge.services.search.addresses import AddressRefused, GuardedReactor, no_metadata, public_only
from claude_bridge.testing.searxng import FakeSearXNG

PUBLIC: Final = {
    "1.1.1.1": "IPv4",
    "93.184.216.34": "IPv4",
    "2606:4700:4700::1111": "IPv6",
    "2001:4860:4860::8888": "IPv6, beside what is for protocols",
    "2400:cb00::1": "IPv6",
    "64:ff9b::101:101": "NAT64",
    "::ffff:1.1.1.1": "IPv4 in a socket for both",
    "2002:101:101::1": "6to4",
}
"""May be asked by every engine."""

OWN: Final = {
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "a provider's own",
    "127.0.0.1": "this machine",
    "127.255.255.254": "this machine",
    "0.0.0.0": "this machine, to some systems",
    "192.0.0.8": "dummy",
    "192.0.0.9": "anycast of a protocol",
    "192.88.99.1": "relays of 6to4",
    "198.18.0.1": "benchmarks",
    "203.0.113.1": "documents",
    "240.0.0.1": "reserved",
    "255.255.255.255": "everybody",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "::1": "this machine",
    "::": "this machine, to some systems",
    "fd00::1": "unique local",
    "fec0::1": "site-local, given up",
    "ff02::1": "multicast",
    "ff0e::1": "multicast, global",
    "100::1": "discarded",
    "2001:2::1": "benchmarks",
    "2001:20::1": "no host's, ORCHID",
    "2001:db8::1": "documents",
    "3fff::1": "documents",
    "3fff:fff::1": "documents",
    "5f00::1": "segments of a route",
    "4000::1": "nobody's yet",
    "::ffff:127.0.0.1": "this machine, in a socket for both",
    "::ffff:0:10.0.0.1": "private, translated",
    "::ffff:0:1.1.1.1": "translated",
    "::10.0.0.1": "private, IPv4-compatible",
    "::127.0.0.1": "this machine, IPv4-compatible",
    "::1.1.1.1": "IPv4-compatible",
    "64:ff9b::7f00:1": "this machine, by NAT64",
    "64:ff9b::c000:8": "dummy, by NAT64",
    "64:ff9b:1::101:101": "NAT64 of a network's own",
    "64:ff9b:1:a00::1": "NAT64 of a network's own",
    "2002:7f00:1::": "this machine, by 6to4",
    "2001:0:101:101::f5ff:fffe": "private, by Teredo",
}
"""May be asked by the owner's own server alone."""

METADATA: Final = {
    "169.254.169.254": "nearly every cloud",
    "169.254.0.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local, with an interface",
    "::ffff:169.254.169.254": "in a socket for both",
    "64:ff9b::a9fe:a9fe": "by NAT64",
    "64:ff9b:1::a9fe:a9fe": "by NAT64 of a network's own",
    "64:ff9b:1:a9fe:a9:fe00::": "the same, in the other place",
    "::169.254.169.254": "IPv4-compatible",
    "::ffff:0:169.254.169.254": "translated",
    "2002:a9fe:a9fe::1": "by 6to4",
    "2001:0:101:101::5601:5601": "by Teredo",
    "168.63.129.16": "Azure",
    "::ffff:168.63.129.16": "Azure, in a socket for both",
    "::168.63.129.16": "Azure, IPv4-compatible",
    "100.100.100.200": "Alibaba",
    "64:ff9b::6464:64c8": "Alibaba, by NAT64",
    "192.0.0.192": "Oracle's classic cloud",
    "fd00:ec2::254": "Amazon",
    "fd00:ec2::254%1": "Amazon, with an interface",
    "fd20:ce::254": "Google",
    "fd00:c1::a9fe:a9fe": "Oracle",
    "fd00:42::42": "Scaleway",
}
"""May be asked by nobody."""

NONSENSE: Final = ["", "localhost", "127.1", "0x7f000001", "1.1.1.1:80", "[::1]"]


class CheckTests:
    """Which addresses may be asked."""

    @pytest.mark.parametrize("address", [*OWN, *METADATA, *NONSENSE])
    def test_hosted(self, address: str) -> None:
        """A hosted engine is never inside this network, in whatever form its address comes."""
        assert public_only(address)

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public(self, address: str) -> None:
        """Public addresses may be asked, by every engine."""
        assert (public_only(address), no_metadata(address)) == ("", "")

    @pytest.mark.parametrize("address", OWN)
    def test_own_server(self, address: str) -> None:
        """The owner's own server may be anywhere in the own network."""
        assert no_metadata(address) == ""

    @pytest.mark.parametrize("address", [*METADATA, *NONSENSE])
    def test_metadata(self, address: str) -> None:
        """Where clouds keep credentials nothing is asked, not even of the owner's server."""
        assert no_metadata(address)


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
        open_: Any = GuardedReactor(reactor, no_metadata)
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
