"""The upstream client: one treq client and one pool of connections per backend.

treq is the HTTP client of this project by decision, as Klein is its server. Some of what it does for ordinary clients
would cost time here or be wrong, and is undone: it encodes the URL of every request (`ReadyURL`), keeps cookies
(`NoCookies`), copies a body through the global reactor's cooperator (``data_to_body_producer``), buffers responses
(``unbuffered``), follows redirects (``allow_redirects``), and requests gzip (`claude_bridge.services.upstream.agent`).
The rest of the daemon only sees `claude_bridge.services.interfaces.UpstreamClient`, so another client could replace it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any, Final, cast

from attrs import evolve, frozen
from hyperlink import EncodedURL
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from claude_bridge.config.schema import Backend
from claude_bridge.services.interfaces import Sweep, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.upstream.agent import BackendAgent
from claude_bridge.services.upstream.call import Call
from claude_bridge.services.upstream.endpoints import Endpoints
from claude_bridge.services.upstream.pool import IdleConnections


class NoCookies(CookieJar):
    """A jar that stores no cookies: one client's session must not be sent with another client's request."""

    def extract_cookies(self, response: Any, request: Any) -> None:  # noqa: ANN401 - urllib's shapes, unused
        """Do nothing."""

    def add_cookie_header(self, request: Any) -> None:  # noqa: ANN401 - urllib's shapes, unused
        """Do nothing."""


NO_COOKIES: Final = NoCookies()


class ReadyURL(EncodedURL):
    """A URL that is encoded once: treq would encode a text for each request, which takes 40 us."""

    def __init__(self, text: str) -> None:
        made = EncodedURL.from_text(text)
        if not text.isascii():
            made = made.to_uri()  # encodes names, but fails for IPv6 addresses
        super().__init__(scheme=made.scheme, host=made.host, path=made.path, query=made.query, port=made.port)
        self._text = made.to_text()

    def to_uri(self) -> ReadyURL:
        """Return this URL: it is encoded already."""
        return self

    def to_text(self, with_password: bool = False) -> str:
        """Return the encoded text."""
        del with_password
        return self._text


@lru_cache(maxsize=1024)
def ready_url(text: str) -> ReadyURL:
    """Return the encoded URL."""
    return ReadyURL(text)


@frozen
class BackendConnections:
    """The idle connections and the client of one backend."""

    pool: IdleConnections
    client: HTTPClient


def _as_it_is(body: bytes) -> bytes:
    """Return the body: our agent takes bytes for a producer."""
    return body


def _encoded(value: str) -> bytes:
    """Return a header's bytes: Latin-1, as clients' headers were decoded, or UTF-8 if that is impossible."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


class TreqUpstream:
    """Implements `claude_bridge.services.interfaces.UpstreamClient`.

    The pool, the TLS trust and the treq client of a backend are made with the first request to it. Their number is
    that of the configured backends.

    :param reactor: makes the connections and tells the time.
    :param sweep: checks the time limits.
    """

    def __init__(self, reactor: IReactorTime, sweep: Sweep) -> None:
        self._reactor = reactor
        self._sweep = sweep
        self._lines: dict[Backend, BackendConnections] = {}

    def send(self, request: UpstreamRequest, receiver: UpstreamReceiver) -> Call:
        """Send ``request``; its response goes to ``receiver``, which is never called before this returns."""
        line = self._line(request.backend)
        call = Call(evolve(request, body=b""), receiver, self._sweep)
        call.follow(maybeDeferred(self._ask, line.client, request), self._reactor)
        return call

    def keep_only(self, backends: Collection[Backend]) -> None:
        """Close the connections to all other backends: the idle ones now, the others when their responses end."""
        for backend in self._lines.keys() - set(backends):
            self.renew(backend)

    def renew(self, backend: Backend) -> None:
        """Close the connections to a backend likewise; its next request connects anew, and reads ``ca_file`` again."""
        line = self._lines.pop(backend, None)
        if line is not None:
            line.pool.close()

    def close(self) -> Deferred[None]:
        """Close all idle connections, and the others when their responses end; fires within a few seconds."""
        closing = [line.pool.close() for line in self._lines.values()]
        self._lines.clear()
        return gatherResults(closing).addCallback(lambda _: None)

    def _ask(self, client: HTTPClient, request: UpstreamRequest) -> Deferred[IResponse]:
        headers = Headers()
        for name, value in request.headers:
            headers.addRawHeader(name.encode("ascii"), _encoded(value))
        answer = client.request(
            request.method,
            ready_url(request.url),
            headers=headers,
            data=cast(Any, request.body or None),
            allow_redirects=False,
            cookies=NO_COOKIES,
            unbuffered=True,
            reactor=cast(Any, self._reactor),  # treq's own protocol of a reactor is private
        )
        return cast("Deferred[IResponse]", answer)

    def _line(self, backend: Backend) -> BackendConnections:
        line = self._lines.get(backend)
        if line is None:
            line = self._lines[backend] = self._build(backend)
        return line

    def _build(self, backend: Backend) -> BackendConnections:
        pool = IdleConnections(self._reactor, max(1, backend.max_connections))
        agent = BackendAgent(self._reactor, Endpoints(self._reactor, backend), pool)
        client = HTTPClient(agent, cast(Any, NO_COOKIES), data_to_body_producer=cast(Any, _as_it_is))
        return BackendConnections(pool, client)
