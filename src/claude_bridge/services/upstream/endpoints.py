"""The endpoints of a backend: one limit for the whole way to a connection, and the backend's trust roots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, cast

from attrs import frozen
from OpenSSL import crypto
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import BrowserLikePolicyForHTTPS
from zope.interface import implementer

from claude_bridge.config.schema import Backend
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.upstream.connection import Connection
from claude_bridge.services.upstream.proxy import ProxyError, TunnelEndpoint, connect_request

DOUBT_SECONDS: Final = 1.0
"""A handshake takes two round trips; if it takes longer than this, we check whether the server speaks TLS at all."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class ConnectTimedOut(ConnectError):
    """No connection within the limit, name resolution included."""


class TrustUnusable(Exception):
    """The backend's ``ca_file`` cannot be used; the message says why."""


@implementer(IStreamClientEndpoint)
class LimitedEndpoint:
    """An endpoint with one limit for everything until the connection is ready, name resolution and TLS included.

    ``HostnameEndpoint`` limits the connection to each address separately, and name resolution not at all.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, clock: IReactorTime, seconds: float) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._seconds = seconds

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, or fail with `ConnectTimedOut`, or with the `ProxyError` that says how far it came."""
        connecting: Deferred[IProtocol] = self._endpoint.connect(factory)
        connecting.addTimeout(self._seconds, self._clock, onTimeoutCancel=self._timed_out)
        return connecting

    @staticmethod
    def _timed_out(result: object, seconds: float) -> Failure:
        if isinstance(result, Failure) and result.check(ProxyError):
            return result
        return Failure(ConnectTimedOut(string=f"no connection within {seconds:g} s"))  # type: ignore[no-untyped-call]  # Twisted's is untyped


class SpeaksPlainHTTP(ConnectError):
    """The server speaks HTTP without TLS."""


class PlainHTTPProbe(Protocol):
    """Finds out whether a server speaks plain HTTP.

    :ivar speaks: fires with the result, after the first bytes of a response or the end of the connection.
    """

    def __init__(self) -> None:
        self.speaks: Deferred[bool] = Deferred(lambda _: self._close())

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Send a request without a credential, whose response is only a head."""
        cast(ITransport, self.transport).write(b"HEAD / HTTP/1.0\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Decide by the first bytes."""
        self._decide(data.startswith(b"HTTP/"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """Treat the end of the connection as a refusal."""
        self._decide(False)

    def _decide(self, speaks: bool) -> None:
        if not self.speaks.called:
            self.speaks.callback(speaks)
        self._close()

    def _close(self) -> None:
        cast(ITCPTransport, self.transport).abortConnection()


@implementer(IStreamClientEndpoint)
class SecuredEndpoint:
    """A TLS endpoint that connects only when the handshake is done, so that the connect limit covers it.

    Twisted calls a TLS endpoint connected as soon as TCP is; a peer that never speaks TLS would get the time that an
    answer may take. Many plain HTTP servers wait silently for the rest of what they take for a request. So if a
    handshake takes long, or ends with the connection, another connection is made to find out whether the server speaks
    plain HTTP; then connecting fails with `SpeaksPlainHTTP`. The factory has to build `Connection` objects.

    :param plain: the endpoint of the same port without TLS.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, plain: IStreamClientEndpoint, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._plain = plain
        self._clock = clock

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect and shake hands."""
        connecting = cast("Deferred[Connection]", self._endpoint.connect(factory)).addCallback(Connection.secured)
        probing: list[Deferred[None]] = []  # at most one probe
        verdict: list[bool] = []  # at most one result of it

        def on_timeout() -> None:
            probing.append(self._speaks_plain_http().addCallback(on_verdict))

        def on_verdict(plain: bool) -> None:
            verdict.append(plain)
            if plain:
                connecting.cancel()

        def on_result(result: object) -> object:
            stop_timer(timer)
            if probing and not verdict:
                probing[0].cancel()
            if probing:
                return _unless_plain(result, plain=verdict == [True])
            if isinstance(result, Failure) and result.check(ConnectionClosed):
                return self._speaks_plain_http().addCallback(lambda plain: _unless_plain(result, plain=plain))
            return result

        timer = self._clock.callLater(DOUBT_SECONDS, on_timeout)
        return cast("Deferred[IProtocol]", connecting.addBoth(on_result))

    def _speaks_plain_http(self) -> Deferred[bool]:
        """Probe the server; this needs no limit of its own, since the connect limit covers it."""
        factory = Factory.forProtocol(PlainHTTPProbe)
        factory.noisy = False
        connecting = cast("Deferred[PlainHTTPProbe]", self._plain.connect(factory))
        return connecting.addCallback(lambda probe: probe.speaks).addErrback(lambda _: False)


def _unless_plain(result: object, *, plain: bool) -> object:
    return Failure(SpeaksPlainHTTP()) if plain else result  # type: ignore[no-untyped-call]  # Twisted's is untyped


@frozen
class Origin:
    """Where a URL's server is; ``host`` is a name or an address, without brackets."""

    scheme: str
    host: str
    port: int


class Endpoints:
    """The endpoints of one backend: TCP, or TLS that trusts the system or the backend's ``ca_file``.

    Where the backend has a proxy, all of its connections go through that.
    """

    def __init__(self, reactor: IReactorTime, backend: Backend) -> None:
        self._reactor = reactor
        self._backend = backend
        self._policy: BrowserLikePolicyForHTTPS | None = None
        self._built: tuple[Origin, IStreamClientEndpoint] | None = None

    def endpoint(self, origin: Origin) -> IStreamClientEndpoint:
        """Return the endpoint for ``origin``. The last one is kept: a backend has one, and its TLS part is expensive.

        :raises TrustUnusable: if the backend's ``ca_file`` cannot be used.
        """
        if self._built is None or self._built[0] != origin:
            self._built = origin, self._build(origin)
        return self._built[1]

    def _build(self, origin: Origin) -> IStreamClientEndpoint:
        plain = self._plain(origin)
        endpoint = plain
        if origin.scheme == "https":
            if self._policy is None:
                self._policy = https_policy(self._backend.ca_file)
            secured = wrapClientTLS(self._policy.creatorForNetloc(origin.host.encode("ascii"), origin.port), plain)
            endpoint = SecuredEndpoint(secured, plain, self._reactor)
        return LimitedEndpoint(endpoint, self._reactor, self._backend.connect_timeout)

    def _plain(self, origin: Origin) -> IStreamClientEndpoint:
        """Return the endpoint of ``origin`` without TLS."""
        server = self._backend.proxy.server
        if server is None:
            return self._tcp(origin.host, origin.port)
        return TunnelEndpoint(self._tcp(server.host, server.port), connect_request(origin.host, origin.port, server))

    def _tcp(self, host: str, port: int) -> IStreamClientEndpoint:
        """Return the endpoint of a host.

        ``HostnameEndpoint`` could connect to an address too, but it makes a class for each connection, which takes 5 KB
        until a garbage collection.
        """
        made: type[Any] = HostnameEndpoint
        if isIPAddress(host):
            made = TCP4ClientEndpoint
        elif isIPv6Address(host):
            made = TCP6ClientEndpoint
        return cast(IStreamClientEndpoint, made(self._reactor, host, port, timeout=self._backend.connect_timeout))


def https_policy(ca_file: str | None) -> BrowserLikePolicyForHTTPS:
    """Return a policy that trusts the system's authorities, or only those in ``ca_file`` (PEM, one or several).

    :raises TrustUnusable: if the file cannot be read or holds no certificate.
    """
    if ca_file is None:
        return BrowserLikePolicyForHTTPS()
    try:
        found = _CERTIFICATE.findall(Path(ca_file).read_bytes())
        authorities = [Certificate.loadPEM(pem) for pem in found]
    except OSError as error:
        raise TrustUnusable(error.strerror or "it cannot be read") from error
    except crypto.Error as error:
        raise TrustUnusable("a certificate in it is damaged") from error
    if not authorities:
        raise TrustUnusable("there is no PEM certificate in it")
    return BrowserLikePolicyForHTTPS(trustRootFromCertificates(authorities))
