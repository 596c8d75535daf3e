"""A small question to a backend beside its answers: a list of models, a count of tokens.

Bounded in time and size, asked with the backend's own key or the client's, and dropped when nobody wants to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from attrs import define, field, frozen
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
class FetchRequest:
    """One question under way; an `UpstreamReceiver`.

    :ivar done: called once, unless the question is abandoned.
    """

    _most: int
    _done: Callable[[Response], None]
    call: UpstreamCall | None = None
    limit: IDelayedCall | None = None
    _head: ResponseHead | None = None
    _parts: list[bytes] = field(factory=list)
    _size: int = 0

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:  # noqa: ARG002 - the seam's shape
        """Read the body of a good answer only; of another the status is enough."""
        self._head = head
        if head.status != 200:  # noqa: PLR2004 - HTTP's OK
            self.abandon()
            self._done(Response(head.status, head.headers))

    def data_received(self, data: bytes) -> None:
        """Collect, up to the limit."""
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._most:
            self.give_up()

    def ended(self, error: BridgeError | None) -> None:
        """Hand over what was collected."""
        body = b"".join(self._parts)
        self._clear()
        if error is not None or self._head is None:
            self._done(Response())
        else:
            self._done(Response(self._head.status, self._head.headers, body))

    def give_up(self) -> None:
        """Close the connection; there is no answer."""
        self.abandon()
        self._done(Response())

    def abandon(self) -> None:
        """Close the connection and say nothing: nobody wants the answer any more, which is no failure."""
        if self.call is not None:
            self.call.cancel()
        self._clear()

    def _clear(self) -> None:
        self._parts.clear()
        if self.limit is not None and self.limit.active():
            self.limit.cancel()


@frozen(kw_only=True)
class Fetcher:
    """Asks backends.

    :ivar seconds: which a question may take.
    :ivar most: bytes of an answer that are read.
    """

    client: UpstreamClient
    clock: IReactorTime
    seconds: float
    most: int

    def ask(
        self,
        backend: Backend,
        credential: Secret | None,
        path: str,
        done: Callable[[Response], None],
        body: bytes = b"",
    ) -> FetchRequest:
        """Ask with POST where there is a body, else with GET; ``done`` is not called before this returns."""
        question = FetchRequest(self.most, done)
        question.limit = self.clock.callLater(self.seconds, question.give_up)
        request = UpstreamRequest(
            backend=backend,
            url=address(backend.url, path),
            headers=_headers(backend, credential, with_body=bool(body)),
            body=body,
            method="POST" if body else "GET",
            first_byte_timeout=self.seconds,
            idle_timeout=self.seconds,
        )
        question.call = self.client.send(request, question)
        return question


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
    """Return the headers, with the backend's own key if it has one; configured ones replace ours of the same name."""
    headers = {"accept": ("Accept", "application/json")}
    if with_body:
        headers["content-type"] = ("Content-Type", "application/json")
    used = backend.api_key or credential
    if used:
        name, value = key_header(backend, used)
        headers[name.lower()] = (name, value)
    headers.update((name.lower(), (name, value)) for name, value in backend.headers)
    return tuple(headers.values())
