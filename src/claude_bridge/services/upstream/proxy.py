"""Connections through an HTTP proxy: CONNECT on a connection to the proxy, which is the backend's from then on."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from claude_bridge.config.proxy import ProxyServer
from claude_bridge.core.http1 import FramingError, Head, ResponseParser, request_head


class ProxyError(Exception):
    """The proxy gave no connection to the backend. Nothing that it said is quoted but its status."""


class ProxyUnreachable(ProxyError):
    """There is no connection to the proxy itself.

    :ivar cause: what Twisted raised.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


class ProxySilent(ProxyError):
    """It had not answered when the connection was given up."""


class ProxyClosed(ProxyError):
    """It closed the connection before the end of its answer."""


class ProxyGarbled(ProxyError):
    """It answered with something else than the head of an HTTP response.

    :ivar cause: the parser's word on it; None for bytes after the head, where the backend has nothing to say yet.
    """

    def __init__(self, cause: FramingError | None) -> None:
        super().__init__()
        self.cause = cause


class ProxyRefused(ProxyError):
    """It answered with another status than success.

    :ivar schemes: the ways to log in that it offers, in lower case.
    """

    def __init__(self, status: int, schemes: tuple[str, ...]) -> None:
        super().__init__()
        self.status = status
        self.schemes = schemes


def connect_request(host: str, port: int, server: ProxyServer) -> bytes:
    """Return the request for a connection to ``host`` (without brackets), with the login for the proxy."""
    authority = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode("ascii")
    headers = []
    if server.has_login:
        password = "" if server.password is None else server.password.reveal()
        login = b64encode(f"{server.user}:{password}".encode())
        headers.append((b"Proxy-Authorization", [b"Basic " + login]))
    return request_head(b"CONNECT", authority, authority, headers, None)


class Tunnel(Protocol):
    """A connection to a proxy: sends CONNECT, and passes on everything that comes after a success.

    ::

        made --- open ---> asked --- 2xx ---> open: bytes and end of the connection go to the protocol inside
                             +--- else, or end of the connection ---> closed

    The protocol inside writes to the connection itself.
    """

    def __init__(self, request: bytes, factory: IProtocolFactory) -> None:
        self._request = request
        self._factory = factory
        self._parser = ResponseParser(b"CONNECT")
        self._opening: Deferred[IProtocol] | None = None
        self._inside: IProtocol | None = None

    @property
    def socket(self) -> ITCPTransport:
        """The transport."""
        return cast(ITCPTransport, self.transport)

    def open(self) -> Deferred[IProtocol]:
        """Ask the proxy; fires with the factory's protocol, connected. Cancelling it closes the connection.

        It fails with a `ProxyError`.
        """
        self._opening = opening = Deferred[IProtocol](lambda _: self._fail(ProxySilent()))
        self.socket.write(self._request)
        return opening

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Read the proxy's answer, or pass on what the backend sends."""
        if self._inside is not None:
            self._inside.dataReceived(data)
            return
        self._parser.feed(data)
        if self._parser.error is not None:
            self._fail(ProxyGarbled(self._parser.error))
        elif self._parser.head is not None:
            self._answered(self._parser.head)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Pass on the end of the connection, or fail."""
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.connectionLost(reason)
        else:
            self._fail(ProxyClosed())

    def _answered(self, head: Head) -> None:
        if not 200 <= head.status < 300:  # noqa: PLR2004 - RFC 9110, 9.3.6
            self._fail(ProxyRefused(head.status, _schemes(head)))
        elif self._parser.has_excess:
            self._fail(ProxyGarbled(None))  # over TLS and in HTTP it is the client that begins
        elif self._opening is not None:
            opening, self._opening = self._opening, None
            self._inside = inside = cast(IProtocol, self._factory.buildProtocol(self.socket.getPeer()))
            inside.makeConnection(self.socket)
            opening.callback(inside)

    def _fail(self, error: ProxyError) -> None:
        opening, self._opening = self._opening, None
        self.socket.abortConnection()
        if opening is not None:
            opening.errback(Failure(error))


def _schemes(head: Head) -> tuple[str, ...]:
    """Return the first words of the challenges; a parameter after a comma is taken for one, which does no harm."""
    challenges = head.values(b"proxy-authenticate")
    return tuple(each.partition(b" ")[0].decode("latin-1") for each in challenges if each)


class TunnelFactory(Factory):
    """Builds the connection to a proxy for one protocol of ``inside``."""

    noisy = False

    def __init__(self, request: bytes, inside: IProtocolFactory) -> None:
        self._request = request
        self._inside = inside

    def buildProtocol(self, addr: IAddress | None) -> Tunnel:  # noqa: ARG002, N802 - Twisted's signature
        """Build it."""
        return Tunnel(self._request, self._inside)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """The endpoint of a backend behind a proxy. It has no time limit of its own.

    :param proxy: the endpoint of the proxy.
    :param request: what `connect_request` returns.
    """

    def __init__(self, proxy: IStreamClientEndpoint, request: bytes) -> None:
        self._proxy = proxy
        self._request = request

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the proxy and open the tunnel, or fail with a `ProxyError`."""
        connecting = cast("Deferred[Any]", self._proxy.connect(TunnelFactory(self._request, factory)))
        return connecting.addCallbacks(Tunnel.open, _unreachable)


def _unreachable(failure: Failure) -> Failure:
    return Failure(ProxyUnreachable(cast(BaseException, failure.value)))
