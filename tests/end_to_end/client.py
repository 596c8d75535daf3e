"""A small asynchronous HTTP client for tests: one connection a request, and full control of the answer's reading."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from tests.end_to_end.sse import Event, complete_events, read_events

SECONDS = 30.0
"""Limit for anything a test waits for: far above what it takes, far below the test's own limit."""


@frozen(kw_only=True)
class Reply:
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Event]:
        """Read the body as a whole event stream."""
        return read_events(self.body)


@define(eq=False)
class Reading(Protocol):
    """An answer under way.

    :ivar raw: all body bytes so far.
    :ivar arrivals: when each read came, in monotonic seconds.
    :ivar reason: why no more will come; None while more may come.
    """

    status: int
    headers: dict[str, str]
    _clock: Any
    _check: Callable[[Reply], None]
    raw: bytearray = field(factory=bytearray, init=False)
    arrivals: list[float] = field(factory=list, init=False)
    reason: Failure | None = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)
    _events_read: int = field(default=0, init=False)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take bytes."""
        self.raw += data
        self.arrivals.append(time.monotonic())
        self._wake()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008, N802 - Twisted's
        """Take the end, good or bad."""
        self.reason = reason
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    @property
    def is_complete(self) -> bool:
        """Whether the answer ended as HTTP wants it."""
        return self.reason is not None and self.reason.check(ResponseDone) is not None

    async def more(self, seconds: float = SECONDS) -> None:
        """Wait for more bytes or the end."""
        if self.reason is None:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting.addTimeout(seconds, self._clock)

    async def event(self, seconds: float = SECONDS) -> Event:
        """Wait for the next event that was not given yet."""
        while True:
            events, _ = complete_events(bytes(self.raw))
            if len(events) > self._events_read:
                self._events_read += 1
                return events[self._events_read - 1]
            assert self.reason is None, f"the stream ended: {self.reason}"
            await self.more(seconds)

    async def whole(self, seconds: float = SECONDS) -> Reply:
        """Wait for the end; it must be a good one."""
        while self.reason is None:
            await self.more(seconds)
        assert self.is_complete, f"the answer was cut: {self.reason}, after {bytes(self.raw[-200:])!r}"
        reply = Reply(status=self.status, headers=self.headers, body=bytes(self.raw))
        self._check(reply)
        return reply

    async def ended(self, seconds: float = SECONDS) -> None:
        """Wait for the end, good or bad."""
        while self.reason is None:
            await self.more(seconds)

    def pause(self) -> None:
        """Stop reading, as a stalled client does."""
        self._socket.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._socket.resumeProducing()

    def leave(self) -> None:
        """Close the connection now."""
        self._socket.stopProducing()

    @property
    def _socket(self) -> Any:
        return self.transport


@define(eq=False)
class Client:
    """Sends requests to one server.

    :ivar headers: sent with every request that does not name them itself.
    :ivar check: gets the path of each request that was answered wholly, and the answer; it fails the test if it must.
    """

    _reactor: Any
    base: str
    headers: Mapping[str, str] = field(factory=dict)
    check: Callable[[str, Reply], None] = field(default=lambda _path, _reply: None)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Deferred[Reading]:
        """Send a request; fires when the head of the answer is there. Cancel it to leave before that.

        :param body: bytes are sent as they are, anything else as JSON.
        :param headers: added to the client's own; None takes one away.
        """
        told: dict[str, str | None] = {**self.headers, **(headers or {})}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None:
            told.setdefault("content-type", "application/json")
        sent = Headers({name: [value] for name, value in told.items() if value is not None})
        producer = _Bytes(data) if body is not None else None
        answered: Deferred[Any] = Agent(self._reactor).request(
            method.encode(), f"{self.base}{path}".encode(), sent, producer
        )
        return answered.addCallback(self._reading, path)

    def _reading(self, response: Any, path: str) -> Reading:
        told = {name.decode().lower(): values[0].decode() for name, values in response.headers.getAllRawHeaders()}
        reading = Reading(response.code, told, self._reactor, partial(self.check, path))
        response.deliverBody(reading)
        return reading

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str | None] | None = None,
        seconds: float = SECONDS,
    ) -> Reply:
        """Send a request and wait for the whole answer."""
        reading = await self.send(method, path, body, headers).addTimeout(seconds, self._reactor)
        return await reading.whole(seconds)

    async def get(self, path: str, **more: Any) -> Reply:
        """Ask with GET."""
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: object, **more: Any) -> Reply:
        """Ask with POST."""
        return await self.ask("POST", path, body, **more)


@implementer(IBodyProducer)
@define(eq=False)
class _Bytes:
    """A request body that is there already."""

    _data: bytes
    length: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Tell Twisted the length."""
        self.length = len(self._data)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Write all."""
        consumer.write(self._data)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: all was written at once."""
