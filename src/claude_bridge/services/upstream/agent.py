"""The agent under treq: takes an idle connection or makes one, and repeats a request that an idle one did not take."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from claude_bridge.core.http1 import request_head
from claude_bridge.services.upstream.connection import Connection, NoResponse
from claude_bridge.services.upstream.content_coding import decoded
from claude_bridge.services.upstream.endpoints import Endpoints, Origin
from claude_bridge.services.upstream.pool import IdleConnections

REPEAT_SECONDS: Final = 5.0
"""A close that crossed our request on the wire arrives within a round trip; one that comes later is an answer to it."""

_PORTS: Final = {"http": 80, "https": 443}


@frozen
class Target:
    """A URL, taken apart: who is asked, by which name, for what."""

    origin: Origin
    host: bytes
    path: bytes


@lru_cache(maxsize=1024)
def target_of(url: bytes) -> Target:
    """Return the target of an absolute URL.

    :raises ValueError: if it is neither http nor https, or has no usable host or port.
    """
    parts = urlsplit(url.decode("ascii"))
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not the URL of an HTTP server")
    default = _PORTS[parts.scheme]
    port = default if parts.port is None else parts.port
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = name if port == default else f"{name}:{port}"
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Target(Origin(parts.scheme, parts.hostname, port), host.encode("ascii"), path.encode("ascii"))


class ConnectionFactory(Factory):
    """Builds the connections to one origin."""

    noisy = False

    def __init__(self, pool: IdleConnections, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # noqa: ARG002, N802 - Twisted's signature
        """Build one."""
        return Connection(self._pool, self._origin)


@frozen
class OutgoingRequest:
    """A request that can be sent, as often as needed."""

    method: bytes
    origin: Origin
    content: list[bytes]


@implementer(IAgent)
@define(eq=False)
class BackendAgent:
    """The agent of one backend.

    A server may close an idle connection at the moment when we send on it; then it has not read the request, and the
    request is repeated once, on a new connection. It is not repeated if a byte of a response came, if the connection
    was new, if it was lost only after `REPEAT_SECONDS`, or if it was cancelled. All other idle connections are closed
    then: a server that has been restarted would have each of them repeat a request.

    treq adds ``Accept-Encoding: gzip`` to every request, whatever the caller says. A compressed stream arrives only
    when the backend flushes its compressor, so we do not ask for one, but unpack what is compressed all the same.
    """

    _clock: IReactorTime
    _endpoints: Endpoints
    _pool: IdleConnections

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803 - Twisted's name
    ) -> Deferred[IResponse]:
        """Send a request. ``bodyProducer`` is not a producer but bytes, all of which are written at once.

        :raises ValueError: if the method or the URL cannot be used.
        :raises TrustUnusable: if the backend's ``ca_file`` cannot be used.
        """
        target = target_of(uri)
        headers = headers or Headers()
        headers.removeHeader(b"accept-encoding")
        body = cast("bytes | None", bodyProducer) or b""
        length = len(body) if body or method == b"POST" else None
        head = request_head(method, target.path, target.host, headers.getAllRawHeaders(), length)
        request = OutgoingRequest(method, target.origin, [head, body])
        return self._send(request).addCallback(decoded, self._clock)

    def _send(self, request: OutgoingRequest) -> Deferred[IResponse]:
        idle = cast("Connection | None", self._pool.take(request.origin))
        if idle is None:
            return self._send_on_new(request)
        sent = self._clock.seconds()
        return idle.ask(request.method, request.content).addErrback(self._repeat, request, sent)

    def _repeat(self, failure: Failure, request: OutgoingRequest, sent: float) -> Any:  # noqa: ANN401 - a callback's
        if failure.check(NoResponse) and self._clock.seconds() - sent < REPEAT_SECONDS:
            self._pool.retire_idle()  # the server may have closed them too, and the request may be tried again
            return self._send_on_new(request)
        return failure

    def _send_on_new(self, request: OutgoingRequest) -> Deferred[IResponse]:
        endpoint = self._endpoints.endpoint(request.origin)
        connecting = cast("Deferred[Any]", endpoint.connect(ConnectionFactory(self._pool, request.origin)))
        return connecting.addCallback(Connection.ask, request.method, request.content)
