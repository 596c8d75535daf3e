"""Which addresses a search may connect to, checked where the connection is made.

A name is resolved by whoever owns it, each time anew, so only the address that is connected to counts. Hosted engines
have public addresses: one whose name leads into this network is not the engine. A SearXNG server is the owner's, so
its address may be private; but link-local ones, where clouds serve their machines' credentials, are nobody's server.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

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
"""Says why an address may not be connected to, or "" if it may."""

_NAT64: Final = ip_network("64:ff9b::/96")


class AddressRefused(ConnectError):
    """The address is one that must not be connected to."""


def public_only(address: str) -> str:
    """Allow public addresses."""
    found = _parsed(address)
    if found is None:
        return f"{address} is no address"
    refused = not found.is_global or found.is_multicast
    return f"{address} is not a public address, as that of a hosted engine must be" if refused else ""


def not_link_local(address: str) -> str:
    """Allow all but link-local addresses."""
    found = _parsed(address)
    if found is None:
        return f"{address} is no address"
    return f"{address} is a link-local address" if found.is_link_local else ""


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one that carries an IPv4 address inside is that address."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    if IPv6Address(int(found)) in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    teredo = found.teredo[1] if found.teredo is not None else None
    return found.ipv4_mapped or found.sixtofour or teredo or found


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
        """Tell the time."""
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
        """Give the calls to come."""
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
