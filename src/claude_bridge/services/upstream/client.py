"""The upstream client: one treq client and one pool of connections a backend."""

from __future__ import annotations

from http.cookiejar import CookieJar
from typing import Any, cast

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from claude_bridge.config.schema import Backend
from claude_bridge.services.interfaces import Sweep, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.upstream.agent import agent_for
from claude_bridge.services.upstream.call import Call
from claude_bridge.services.upstream.payload import BytesBody
from claude_bridge.services.upstream.pool import ReplayPool


class NoCookies(CookieJar):
    """A jar that keeps nothing and gives nothing: one client's session must not travel with another's request."""

    def extract_cookies(self, response: Any, request: Any) -> None:  # noqa: ANN401 - urllib's shapes, unused
        """Keep nothing."""

    def add_cookie_header(self, request: Any) -> None:  # noqa: ANN401 - urllib's shapes, unused
        """Give nothing."""


@frozen(kw_only=True)
class Line:
    """The way to one backend."""

    pool: ReplayPool
    client: HTTPClient


class TreqUpstream:
    """Implements `claude_bridge.services.interfaces.UpstreamClient`.

    The way to a backend is built with the first request to it: its pool, its TLS trust, its treq client. Backends
    come from the configuration, so there are as many as it has.

    :param reactor: makes the connections and tells the time.
    :param sweep: watches over silence.
    """

    def __init__(self, reactor: IReactorTime, sweep: Sweep) -> None:
        self._reactor = reactor
        self._sweep = sweep
        self._lines: dict[Backend, Line] = {}

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> Call:
        """Start ``request``; everything else comes through ``receiver``, never before this returns."""
        line = self._line(request.backend)
        call = Call(request, receiver, self._sweep, line.pool.reads)
        call.follow(maybeDeferred(self._ask, line.client, request), self._reactor)
        return call

    def close(self) -> Deferred[None]:
        """Close all idle connections, and the others when their answers end; fires within a few seconds."""
        closing = [line.pool.close() for line in self._lines.values()]
        self._lines.clear()
        return gatherResults(closing).addCallback(lambda _: None)

    def _ask(self, client: HTTPClient, request: UpstreamRequest) -> Deferred[IResponse]:
        headers = Headers()
        for name, value in request.headers:
            headers.addRawHeader(name, value)
        answer = client.request(
            request.method,
            request.url,
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            unbuffered=True,
            reactor=cast(Any, self._reactor),  # treq's own protocol of a reactor is private
        )
        return cast("Deferred[IResponse]", answer)

    def _line(self, backend: Backend) -> Line:
        line = self._lines.get(backend)
        if line is None:
            line = self._lines[backend] = self._build(backend)
        return line

    def _build(self, backend: Backend) -> Line:
        pool = ReplayPool(self._reactor, backend.max_connections)
        agent = agent_for(self._reactor, backend, pool)
        return Line(pool=pool, client=HTTPClient(agent, cast(Any, NoCookies()), data_to_body_producer=BytesBody))
