"""What treq sends its requests through: endpoints with one connect limit, the right trust, no content coding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from OpenSSL import crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from claude_bridge.config.schema import Backend
from claude_bridge.services.upstream.pool import Connection, ReplayPool

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


@implementer(IStreamClientEndpoint)
class SecuredEndpoint:
    """A TLS endpoint that has connected only when the handshake is done, so that the connect limit covers it.

    Twisted calls a TLS endpoint connected once TCP is; a peer that never speaks TLS would be waited for as for an
    answer. The factory has to build `Connection` objects.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect and shake hands."""
        connecting = cast("Deferred[Connection]", self._endpoint.connect(factory))
        return cast("Deferred[IProtocol]", connecting.addCallback(Connection.secured))


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
        """Give the endpoint for ``uri``.

        :raises TrustUnusable: if the backend's ``ca_file`` is no use.
        :raises SchemeNotSupported: if it is neither http nor https.
        """
        origin = (uri.scheme, uri.host, uri.port)
        if self._endpoint is None or self._origin != origin:
            self._endpoint = self._build(uri)
            self._origin = origin
        return self._endpoint

    def _build(self, uri: URI) -> IStreamClientEndpoint:
        seconds = self._backend.connect_timeout
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, uri.host.decode("ascii"), uri.port, timeout=seconds
        )
        if uri.scheme == b"https":
            if self._policy is None:
                self._policy = https_policy(self._backend.ca_file)
            endpoint = SecuredEndpoint(wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint))
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
    """An agent under treq that asks for no content coding.

    treq adds ``Accept-Encoding: gzip`` to every request, beside what the caller says, and offers no way out. A
    compressed stream is only as prompt as the backend's flushes, so we do not ask for one. (A backend that
    compresses unasked is still understood: treq decodes gzip.)
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

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
        return self._agent.request(method, uri, headers, bodyProducer)


def agent_for(reactor: IReactorTime, backend: Backend, pool: ReplayPool) -> IAgent:
    """Build the agent for one backend over its pool."""
    return PlainAgent(Agent.usingEndpointFactory(reactor, Endpoints(reactor, backend), pool))
