"""What treq sends its requests through: endpoints with one connect limit, the right trust, no content coding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, cast

from OpenSSL import crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
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
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from claude_bridge.config.schema import Backend
from claude_bridge.services.upstream.content_coding import decoded
from claude_bridge.services.upstream.pool import Connection, ReplayPool

DOUBT_SECONDS: Final = 1.0
"""A handshake takes two round trips; where it takes longer than this, it is asked whether TLS is spoken at all."""

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class ConnectTimedOut(ConnectError):
    """No connection within the limit, name resolution included."""


class TrustUnusable(Exception):
    """The backend's ``ca_file`` gives nothing to trust; says why."""


@implementer(IStreamClientEndpoint)
class LimitedEndpoint:
    """An endpoint whose whole way to a connection, TLS included, has one limit.

    ``HostnameEndpoint`` limits each address by itself, and the resolver not at all.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, clock: IReactorTime, seconds: float) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._seconds = seconds

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, or fail with `ConnectTimedOut`."""
        connecting: Deferred[IProtocol] = self._endpoint.connect(factory)
        connecting.addTimeout(self._seconds, self._clock, onTimeoutCancel=self._timed_out)
        return connecting

    @staticmethod
    def _timed_out(_: object, seconds: float) -> Failure:
        return Failure(ConnectTimedOut(string=f"no connection within {seconds:g} s"))  # type: ignore[no-untyped-call]  # Twisted's is untyped


class SpeaksPlainly(ConnectError):
    """The server there speaks HTTP without TLS."""


class PlainQuestion(Protocol):
    """Asks in plain HTTP whether that is spoken; tells once, by the first bytes of an answer or by their absence."""

    def __init__(self) -> None:
        self.speaks: Deferred[bool] = Deferred(lambda _: self._leave())

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Ask for nothing: there is no credential in it and nothing to answer but a head."""
        cast(ITransport, self.transport).write(b"HEAD / HTTP/1.0\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Judge by the beginning."""
        self._tell(data.startswith(b"HTTP/"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """Take silence for a no."""
        self._tell(False)

    def _tell(self, speaks: bool) -> None:
        if not self.speaks.called:
            self.speaks.callback(speaks)
        self._leave()

    def _leave(self) -> None:
        cast(ITCPTransport, self.transport).abortConnection()


@implementer(IStreamClientEndpoint)
class SecuredEndpoint:
    """A TLS endpoint that has connected only when the handshake is done, so that the connect limit covers it.

    Twisted calls a TLS endpoint connected once TCP is; a peer that never speaks TLS would be waited for as for an
    answer. Many servers wait in silence for the rest of what they take for a request: so where a handshake takes long,
    or ends with the connection, they are asked on another connection whether they speak plain HTTP, and the one who
    connects fails with `SpeaksPlainly`. The factory has to build `Connection` objects.

    :param plain: the way to the same port without TLS.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, plain: IStreamClientEndpoint, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._plain = plain
        self._clock = clock

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect and shake hands."""
        connecting = cast("Deferred[Connection]", self._endpoint.connect(factory)).addCallback(Connection.secured)
        asking: list[Deferred[None]] = []
        judged: list[bool] = []

        def doubt() -> None:
            asking.append(self._speaks_plainly().addCallback(judge))

        def judge(plain: bool) -> None:
            judged.append(plain)
            if plain:
                connecting.cancel()

        def over(result: object) -> object:
            if later.active():
                later.cancel()
            if asking and not judged:
                asking[0].cancel()
            if asking:
                return _unless_plain(result, plain=judged == [True])
            if isinstance(result, Failure) and result.check(ConnectionClosed):
                return self._speaks_plainly().addCallback(lambda plain: _unless_plain(result, plain=plain))
            return result

        later = self._clock.callLater(DOUBT_SECONDS, doubt)
        return cast("Deferred[IProtocol]", connecting.addBoth(over))

    def _speaks_plainly(self) -> Deferred[bool]:
        """Ask, for as long as that takes: the limit of connecting covers it."""
        factory = Factory.forProtocol(PlainQuestion)
        factory.noisy = False
        asked = cast("Deferred[PlainQuestion]", self._plain.connect(factory))
        return asked.addCallback(lambda question: question.speaks).addErrback(lambda _: False)


def _unless_plain(result: object, *, plain: bool) -> object:
    return Failure(SpeaksPlainly()) if plain else result  # type: ignore[no-untyped-call]  # Twisted's is untyped


@implementer(IAgentEndpointFactory)
class Endpoints:
    """The endpoints of one backend: TCP, or TLS that trusts the system or the backend's ``ca_file``.

    They are kept, one an origin: an Agent asks for the endpoint of every request, also when it then takes an idle
    connection, and building one (above all its TLS part) is not free. A backend has one origin, so one is kept.
    """

    def __init__(self, reactor: IReactorTime, backend: Backend) -> None:
        self._reactor = reactor
        self._backend = backend
        self._policy: BrowserLikePolicyForHTTPS | None = None
        self._origin: tuple[bytes, bytes, int] | None = None
        self._endpoint: IStreamClientEndpoint | None = None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802 - Twisted's name
        """Return the endpoint for ``uri``.

        :raises TrustUnusable: if the backend's ``ca_file`` cannot be used.
        :raises SchemeNotSupported: if it is neither http nor https.
        """
        origin = (uri.scheme, uri.host, uri.port)
        if self._endpoint is None or self._origin != origin:
            self._endpoint = self._build(uri)
            self._origin = origin
        return self._endpoint

    def _build(self, uri: URI) -> IStreamClientEndpoint:
        seconds = self._backend.connect_timeout
        plain: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, uri.host.decode("ascii"), uri.port, timeout=seconds
        )
        endpoint = plain
        if uri.scheme == b"https":
            if self._policy is None:
                self._policy = https_policy(self._backend.ca_file)
            secured = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), plain)
            endpoint = SecuredEndpoint(secured, plain, self._reactor)
        elif uri.scheme != b"http":
            raise SchemeNotSupported(f"Unsupported scheme: {uri.scheme!r}")
        return LimitedEndpoint(endpoint, self._reactor, seconds)


def https_policy(ca_file: str | None) -> BrowserLikePolicyForHTTPS:
    """Trust the system's authorities, or only those in ``ca_file`` (PEM, one or several).

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


@implementer(IAgent)
class PlainAgent:
    """An agent under treq that asks for no content coding, and unpacks what is compressed all the same.

    treq adds ``Accept-Encoding: gzip`` to every request, beside what the caller says, and offers no way out. A
    compressed stream is only as prompt as the backend's flushes, so we do not ask for one.
    """

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._agent = agent
        self._clock = clock

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - Twisted's name
    ) -> Deferred[IResponse]:
        """Send it without ``Accept-Encoding``."""
        if headers is not None:
            headers.removeHeader(b"accept-encoding")
        answer = self._agent.request(method, uri, headers, bodyProducer)
        return answer.addCallback(decoded, self._clock)


def agent_for(reactor: IReactorTime, backend: Backend, pool: ReplayPool) -> IAgent:
    """Build the agent for one backend over its pool."""
    return PlainAgent(Agent.usingEndpointFactory(reactor, Endpoints(reactor, backend), pool), reactor)
