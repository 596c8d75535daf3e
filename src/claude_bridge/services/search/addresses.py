"""Checks the addresses that a search connects to, at the moment when the connection is made.

The owner of a name decides what it resolves to, each time anew, so only the address of the connection itself counts.
Hosted engines have public addresses: a name that resolves into this network is not the engine's. A SearXNG server is
the owner's, so its address may be private; but never one of those where clouds serve their machines' credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
)
from zope.interface import implementer

Check = Callable[[str], str]
"""Returns why an address must not be connected to, or "" if it may be."""

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

_NAT64: Final = ip_network("64:ff9b::/96")
"""Translation to IPv4 for networks without it: RFC 6052."""

_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
"""The same for local use, with the IPv4 address in one of two places: RFC 8215, RFC 6052 section 2.2."""

_CARRIES_IPV4: Final = (
    ip_network("::/96"),  # IPv4-compatible, long given up, but some systems still route it: RFC 4291 section 2.5.5.1
    ip_network("::ffff:0:0:0/96"),  # IPv4-translated: RFC 2765
    _NAT64,
    _LOCAL_NAT64,
)
"""Networks with an IPv4 address in the last 32 bits, besides those that `ipaddress` knows."""

_NOT_PUBLIC: Final[Networks] = (
    ip_network("192.0.0.0/24"),  # for protocols; Python before 3.11.4 and after do not agree on its parts: RFC 6890
    ip_network("192.88.99.0/24"),  # relays between IPv4 and IPv6, given up: RFC 7526
    ip_network("2001::/23"),  # for protocols, as the first; Teredo, which is part of it, is taken apart before
    ip_network("3fff::/20"),  # for documents: RFC 9637, younger than our oldest Python
)
"""Networks that some version of `ipaddress` takes for public."""

_METADATA: Final[Networks] = (
    ip_network("168.63.129.16/32"),  # Azure's agent, with keys of the machine
    ip_network("100.100.100.200/32"),  # Alibaba Cloud
    ip_network("192.0.0.192/32"),  # Oracle's classic cloud
    ip_network("fd00:ec2::254/128"),  # Amazon
    ip_network("fd20:ce::254/128"),  # Google
    ip_network("fd00:c1::a9fe:a9fe/128"),  # Oracle
    ip_network("fd00:42::42/128"),  # Scaleway
)
"""Addresses where clouds serve credentials, besides the link-local one that nearly all use (169.254.169.254)."""


class AddressRefused(ConnectError):
    """The address must not be connected to."""


def public_only(address: str) -> str:
    """Refuse all but public addresses and those that lead to a public IPv4 address; also what `no_metadata` refuses."""
    found = _parsed(address)
    if found is not None and not _is_public(_destination(found)):
        return f"{address} is not a public address, as that of a hosted engine must be"
    return no_metadata(address)


def no_metadata(address: str) -> str:
    """Refuse link-local addresses and others where clouds serve credentials, in every form."""
    found = _parsed(address)
    if found is None:
        return f"{address} is no address"
    for reading in _readings(found):
        if reading.is_link_local:
            return f"{address} is a link-local address"
        if any(reading in network for network in _METADATA):
            return f"{address} is where a cloud serves its machines' credentials"
    return ""


def _parsed(address: str) -> Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return found if isinstance(found, IPv4Address) else IPv6Address(int(found))  # without the name of an interface


def _is_public(address: Address) -> bool:
    refused = not address.is_global or address.is_multicast or address.is_reserved
    if isinstance(address, IPv6Address):
        refused = refused or address.is_site_local
    return not refused and not any(address in network for network in _NOT_PUBLIC)


def _destination(address: Address) -> Address:
    """Return the address that a connection really reaches: for a translated one the IPv4 address in it."""
    if isinstance(address, IPv4Address):
        return address
    teredo = address.teredo[1] if address.teredo is not None else None
    return address.ipv4_mapped or address.sixtofour or teredo or (_last(address) if address in _NAT64 else address)


def _readings(address: Address) -> Iterator[Address]:
    """Yield an address and each IPv4 address that a router may read from it."""
    yield address
    if isinstance(address, IPv4Address):
        return
    yield _destination(address)
    if any(address in network for network in _CARRIES_IPV4):
        yield _last(address)
    if address in _LOCAL_NAT64:
        number = int(address)
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)  # around an octet of zeros


def _last(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


@implementer(IReactorTime, IReactorTCP, IReactorPluggableNameResolver)
class GuardedReactor:
    """The part of a reactor that client endpoints need; it connects only where ``check`` lets it."""

    def __init__(self, reactor: Any, check: Check) -> None:  # noqa: ANN401 - a reactor is many interfaces
        self._reactor = reactor
        self._check = check

    @property
    def nameResolver(self) -> IHostnameResolver:  # noqa: N802 - Twisted's name
        """Resolve names as the reactor does."""
        resolver: IHostnameResolver = self._reactor.nameResolver
        return resolver

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:  # noqa: N802 - Twisted's name
        """Refuse: the reactor's own is used."""
        raise NotImplementedError

    def seconds(self) -> float:
        """Return the time."""
        return float(self._reactor.seconds())

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - Twisted's name
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        """Call later."""
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kwargs)
        return call

    def getDelayedCalls(self) -> Any:  # noqa: ANN401, N802 - Twisted's name
        """Return the calls to come."""
        return self._reactor.getDelayedCalls()

    def connectTCP(  # noqa: N802 - Twisted's name
        self,
        host: str,
        port: int,
        factory: Any,  # noqa: ANN401 - of any protocol
        timeout: float = 30,
        bindAddress: Any = None,  # noqa: ANN401, N803 - Twisted's name
    ) -> IConnector:
        """Connect to an address, which endpoints have resolved before.

        :raises AddressRefused: if it must not be connected to.
        """
        reason = self._check(host)
        if reason:
            raise AddressRefused(string=reason)  # type: ignore[no-untyped-call]  # Twisted's is untyped
        connector: IConnector = self._reactor.connectTCP(host, port, factory, timeout, bindAddress)
        return connector

    def listenTCP(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401, N802 - Twisted's name
        """Refuse: nothing here listens."""
        raise NotImplementedError
