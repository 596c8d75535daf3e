"""Connections whose every byte a test decides, for what no HTTP library would send or leave unread."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.end_to_end.client import SECONDS, Reply

HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n")


def head(method: str, path: str | bytes, *lines: str, host: str = "localhost") -> bytes:
    """Write a request head that the bridge lets in, with more header ``lines``."""
    target = path.encode() if isinstance(path, str) else path
    told = [f"Host: {host}", "x-api-key: test-key", "anthropic-version: 2023-06-01", *lines]
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + "\r\n".join(told).encode() + b"\r\n\r\n"


def post(body: bytes, *lines: str, path: str = "/v1/messages") -> bytes:
    """Write a whole request with a body of known length."""
    return head("POST", path, f"content-length: {len(body)}", *lines) + body


def post_json(body: object) -> bytes:
    """Write a whole Messages request."""
    return post(json.dumps(body).encode(), "content-type: application/json")


def chunked(data: bytes, size: int = 65_536) -> bytes:
    """Frame a body as chunks."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@define(eq=False)
class RawConnection(Protocol):
    """One connection.

    :ivar received: bytes that no answer was made of yet.
    :ivar closed_at: reactor seconds, once the other side has closed.
    """

    _reactor: Any
    received: bytearray = field(factory=bytearray, init=False)
    closed_at: float | None = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take bytes."""
        self.received += data
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Take the end."""
        self.closed_at = self._reactor.seconds()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    async def _more(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        await waiting.addTimeout(seconds, self._reactor)

    def send(self, data: bytes) -> None:
        """Write."""
        self._socket.write(data)

    def leave(self, *, reset: bool = False) -> None:
        """Close, in order or by a reset."""
        if reset:
            self._socket.abortConnection()
        else:
            self._socket.loseConnection()

    def pause(self) -> None:
        """Read nothing for now."""
        self._socket.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._socket.resumeProducing()

    @property
    def _socket(self) -> Any:
        return self.transport

    async def closed(self, seconds: float = SECONDS) -> float:
        """Wait until the other side closes; gives the time."""
        while self.closed_at is None:
            await self._more(seconds)
        return self.closed_at

    async def until(self, part: bytes, seconds: float = SECONDS) -> None:
        """Wait until ``part`` was received."""
        while part not in self.received:
            assert self.closed_at is None, f"closed after {bytes(self.received[-300:])!r}"
            await self._more(seconds)

    async def reply(self, method: str = "POST", seconds: float = SECONDS) -> Reply:
        """Wait for one whole answer and take it out of what was received; ``method`` of its request."""
        while True:
            found = _whole(bytes(self.received), method)
            if found is not None:
                reply, size = found
                del self.received[:size]
                return reply
            assert self.closed_at is None, f"closed after {bytes(self.received[-300:])!r}"
            await self._more(seconds)


def _whole(data: bytes, method: str) -> tuple[Reply, int] | None:
    """Read one answer at the beginning of ``data``; gives it and its size."""
    found = HEAD.match(data)
    if found is None:
        assert data[:9] in {b"HTTP/1.1 "[: len(data)], b"HTTP/1.1 "}, f"no answer in HTTP: {data[:100]!r}"
        return None
    lines = (line.partition(b":") for line in found[2].splitlines())
    headers = {name.decode().lower(): value.strip().decode() for name, _, value in lines}
    body = _body(data, found.end(), headers, bodiless=method == "HEAD")
    if body is None:
        return None
    return Reply(status=int(found[1]), headers=headers, body=body[0]), body[1]


def _body(data: bytes, at: int, headers: dict[str, str], *, bodiless: bool) -> tuple[bytes, int] | None:
    if bodiless:
        return b"", at
    if headers.get("transfer-encoding") != "chunked":
        end = at + int(headers.get("content-length", "0"))
        return (data[at:end], end) if len(data) >= end else None
    pieces: list[bytes] = []
    while (found := CHUNK.match(data, at)) is not None:
        size, start = int(found[1], 16), found.end()
        at = start + size + 2
        if len(data) < at:
            return None
        if size == 0:
            return b"".join(pieces), at
        pieces.append(data[start : at - 2])
    return None


def connect(reactor: Any, port: int) -> Deferred[RawConnection]:
    """Open a connection to a port of this machine."""
    connection: Any = RawConnection(reactor)
    opened: Deferred[RawConnection] = connectProtocol(HostnameEndpoint(reactor, "127.0.0.1", port), connection)
    return opened
