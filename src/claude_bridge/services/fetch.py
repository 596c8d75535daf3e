"""Small requests to a backend besides the exchanges: a list of models, a count of tokens.

They are bounded in time and size, and closed when whoever waits for the response cancels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from claude_bridge.config.dialects import key_header
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.interfaces import (
    PushProducer,
    ResponseHead,
    UpstreamCall,
    UpstreamClient,
    UpstreamRequest,
)

_VERSION: Final = re.compile(r"/v\d{1,3}$")


@frozen
class Response:
    """A complete response.

    :ivar status: 0 if no complete response arrived.
    :ivar body: only of a response with status 200.
    """

    status: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def good(self) -> bool:
        """Whether there is a body to read."""
        return self.status == 200  # noqa: PLR2004 - HTTP's OK


@define(eq=False, repr=False)
class Receiver:
    """Collects one response; an `UpstreamReceiver`.

    :ivar result: fires with the `Response`, unless it is cancelled.
    """

    _max_bytes: int
    result: Deferred[Response] = field(init=False)
    call: UpstreamCall | None = None
    time_limit: IDelayedCall | None = None
    _head: ResponseHead | None = None
    _parts: list[bytes] = field(factory=list)
    _size: int = 0

    @result.default
    def _waiting(self) -> Deferred[Response]:
        return Deferred(lambda _: self._close())

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:  # noqa: ARG002 - the seam's shape
        """Finish at once unless the status is 200: nobody reads the body of an error."""
        self._head = head
        if head.status != 200:  # noqa: PLR2004 - HTTP's OK
            self._finish(Response(head.status, head.headers))

    def data_received(self, data: bytes) -> None:
        """Collect the body, up to the limit."""
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._max_bytes:
            self.give_up()

    def ended(self, error: BridgeError | None) -> None:
        """Fire with what was collected; after an error with an empty response."""
        self.call = None
        if error is not None or self._head is None:
            self._finish(Response())
        else:
            self._finish(Response(self._head.status, self._head.headers, b"".join(self._parts)))

    def give_up(self) -> None:
        """Close the connection, and fire with an empty response."""
        self._finish(Response())

    def _finish(self, response: Response) -> None:
        self._close()
        self.result.callback(response)

    def _close(self) -> None:
        """Close the connection in whatever state it is, and drop what was collected."""
        call, self.call = self.call, None
        if call is not None:
            call.cancel()
        self._parts.clear()
        stop_timer(self.time_limit)


@frozen(kw_only=True)
class Fetcher:
    """Fetches small responses from backends.

    :ivar seconds: how long a request may take.
    :ivar max_bytes: bytes of a response that are read.
    """

    client: UpstreamClient
    clock: IReactorTime
    seconds: float
    max_bytes: int

    def fetch(
        self,
        backend: Backend,
        credential: Secret | None,
        path: str,
        body: bytes = b"",
        *,
        headers: Iterable[tuple[str, str]] = (),
        key_header: str = "",
    ) -> Deferred[Response]:
        """Send a POST if there is a body, else a GET, and return what fires with the response.

        ``headers`` replace those that every request has. ``key_header``: the header for the credential, or "" for that
        of the backend's dialect.

        It never fires before this returns, and fails only if it is cancelled, which closes the connection.
        """
        receiver = Receiver(self.max_bytes)
        receiver.time_limit = self.clock.callLater(self.seconds, receiver.give_up)
        request = UpstreamRequest(
            backend=backend,
            url=address(backend.url, path),
            headers=_headers(backend, credential, headers, key_header, with_body=bool(body)),
            body=body,
            method="POST" if body else "GET",
            first_byte_timeout=self.seconds,
            idle_timeout=self.seconds,
        )
        receiver.call = self.client.send(request, receiver)
        return receiver.result


def address(url: str, path: str) -> str:
    """Return the URL of ``path`` at a backend whose ``url`` is a base URL or the full URL of chat completions.

    A path that begins with a slash replaces the version of the base URL: it goes beside ``/v1``, after any prefix. A
    query is kept.
    """
    parts = urlsplit(url)
    base = parts.path.rstrip("/").removesuffix("/chat/completions")
    if path.startswith("/"):
        base, path = _VERSION.sub("", base), path[1:]
    return urlunsplit(parts._replace(path=f"{base}/{path}"))


def shown(url: str) -> str:
    """Return a URL without the parts that may be secret: user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _headers(
    backend: Backend,
    credential: Secret | None,
    more: Iterable[tuple[str, str]],
    key_name: str,
    *,
    with_body: bool,
) -> tuple[tuple[str, str], ...]:
    """Return the headers, with the credential's; configured ones replace ours of the same name."""
    ours = {"accept": ("Accept", "application/json")}
    if with_body:
        ours["content-type"] = ("Content-Type", "application/json")
    ours.update((name.lower(), (name, value)) for name, value in more)
    if credential:
        ours[""] = key_header(backend, credential, key_name)
    return backend.with_headers(ours.values())
