"""A small question to a backend beside its answers: a list of models, a count of tokens.

Bounded in time and size, and dropped when nobody wants to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from claude_bridge.config.dialects import key_header
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BridgeError
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
    """What came of a question.

    :ivar status: 0 where no whole answer came.
    :ivar body: only of an answer with status 200.
    """

    status: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def good(self) -> bool:
        """Return whether there is a body to read."""
        return self.status == 200  # noqa: PLR2004 - HTTP's OK


@define(eq=False, repr=False)
class Receiver:
    """Collects one answer; an `UpstreamReceiver`.

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
        """Read the body of a good answer only; of another the status is enough."""
        self._head = head
        if head.status != 200:  # noqa: PLR2004 - HTTP's OK
            self._finish(Response(head.status, head.headers))

    def data_received(self, data: bytes) -> None:
        """Collect, up to the limit."""
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._max_bytes:
            self.give_up()

    def ended(self, error: BridgeError | None) -> None:
        """Hand over what was collected."""
        self.call = None
        if error is not None or self._head is None:
            self._finish(Response())
        else:
            self._finish(Response(self._head.status, self._head.headers, b"".join(self._parts)))

    def give_up(self) -> None:
        """Close the connection; there is no answer."""
        self._finish(Response())

    def _finish(self, response: Response) -> None:
        self._close()
        self.result.callback(response)

    def _close(self) -> None:
        """Close the connection, whatever it is doing, and let go of everything."""
        call, self.call = self.call, None
        if call is not None:
            call.cancel()
        self._parts.clear()
        if self.time_limit is not None and self.time_limit.active():
            self.time_limit.cancel()


@frozen(kw_only=True)
class Fetcher:
    """Asks backends.

    :ivar seconds: which a question may take.
    :ivar max_bytes: bytes of an answer that are read.
    """

    client: UpstreamClient
    clock: IReactorTime
    seconds: float
    max_bytes: int

    def fetch(self, backend: Backend, credential: Secret | None, path: str, body: bytes = b"") -> Deferred[Response]:
        """Ask with POST where there is a body, else with GET.

        Fires later than it returns, and never fails but by being cancelled, which closes the connection.
        """
        receiver = Receiver(self.max_bytes)
        receiver.time_limit = self.clock.callLater(self.seconds, receiver.give_up)
        request = UpstreamRequest(
            backend=backend,
            url=address(backend.url, path),
            headers=_headers(backend, credential, with_body=bool(body)),
            body=body,
            method="POST" if body else "GET",
            first_byte_timeout=self.seconds,
            idle_timeout=self.seconds,
        )
        receiver.call = self.client.send(request, receiver)
        return receiver.result


def address(url: str, path: str) -> str:
    """Return the address of ``path`` at a backend, from a base URL or from the full path to chat completions.

    A path that begins with a slash stands where the base URL has its version: beside ``/v1``, behind any prefix. A
    query stays.
    """
    parts = urlsplit(url)
    base = parts.path.rstrip("/").removesuffix("/chat/completions")
    if path.startswith("/"):
        base, path = _VERSION.sub("", base), path[1:]
    return urlunsplit(parts._replace(path=f"{base}/{path}"))


def shown(url: str) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _headers(backend: Backend, credential: Secret | None, *, with_body: bool) -> tuple[tuple[str, str], ...]:
    """Return the headers, the credential's among them; configured ones replace ours of the same name."""
    ours = [("Accept", "application/json")]
    if with_body:
        ours.append(("Content-Type", "application/json"))
    if credential:
        ours.append(key_header(backend, credential))
    return backend.with_headers(ours)
