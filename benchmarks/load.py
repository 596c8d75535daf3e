"""The load generator: so many clients, each asking its next question when the last one is answered."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from typing import cast

from attrs import define, field, frozen

from benchmarks import mark, requests
from benchmarks.http1 import Message, MessageReader
from benchmarks.scenarios import Scenario

RAMP_SECONDS = 0.001
"""Between the starts of two clients: thousands at once would only fill the accept queue."""

KEY = "benchmark-key"


@frozen(kw_only=True)
class Address:
    """Where a gateway serves; ``path`` is that of its messages."""

    host: str
    port: int
    path: str = "/v1/messages"


@frozen(kw_only=True)
class Answered:
    """One answer. ``first_token`` is in seconds since the request; None if no token came."""

    mark: str
    status: int
    body: bytes
    first_token: float | None


@define(eq=False, kw_only=True)
class Load:
    """One run of a scenario.

    :ivar answered: what came back.
    :ivar lost: why requests got no answer.
    :ivar late: seconds between the sending and the arrival of deltas, once all clients were served.
    :ivar served: clients that saw a first token.
    """

    scenario: Scenario
    address: Address
    answered: list[Answered] = field(factory=list, init=False)
    lost: list[str] = field(factory=list, init=False)
    late: list[float] = field(factory=list, init=False)
    served: int = field(default=0, init=False)
    _left: int = field(init=False)
    _body: tuple[bytes, bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Render the request."""
        self._left = self.scenario.requests
        before, blank, after = requests.render(self.scenario).rpartition(mark.blank(self.scenario.name).encode())
        head = (
            f"POST {self.address.path} HTTP/1.1\r\nHost: {self.address.host}:{self.address.port}\r\n"
            f"Content-Type: application/json\r\nx-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n"
            f"Content-Length: {len(before) + len(blank) + len(after)}\r\n\r\n"
        )
        self._body = (head.encode() + before, after)

    async def run(self, seconds: float) -> None:
        """Send all requests; those without an answer after ``seconds`` are lost."""
        clients = range(self.scenario.clients)
        tasks = [asyncio.create_task(self._client(number * RAMP_SECONDS)) for number in clients]
        done, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self.lost += [f"no answer after {seconds:.0f} s"] * (len(late) + self._left)
        for task in done:
            task.result()

    async def _client(self, delay: float) -> None:
        await asyncio.sleep(delay)
        connection: Connection | None = None
        try:
            while self._left > 0:
                self._left -= 1
                connection = await self._ask(connection)
        finally:
            if connection is not None:
                connection.close()

    async def _ask(self, connection: Connection | None) -> Connection | None:
        """Ask once; return the connection if it can be used again."""
        marked = mark.mark(self.scenario.name, random.getrandbits(64))
        try:
            if connection is None:
                connection = await self._connected()
            answer = await connection.ask(self._body[0] + marked.encode() + self._body[1])
        except OSError as error:
            self.lost.append(f"connection lost: {error}")
            return None
        first = connection.first_token
        self.answered.append(Answered(mark=marked, status=answer.status, body=answer.body, first_token=first))
        if not answer.closes:
            return connection
        connection.close()
        return None

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), self.address.host, self.address.port)
        return connection


@define(eq=False)
class Connection(asyncio.Protocol):
    """One client's connection, with at most one request under way.

    :ivar first_token: of that request, in seconds.
    """

    _load: Load
    first_token: float | None = field(default=None, init=False)
    _asked: float = field(default=0.0, init=False)
    _was_served: bool = field(default=False, init=False)
    _reader: MessageReader = field(factory=MessageReader, init=False)
    _transport: asyncio.Transport | None = field(default=None, init=False)
    _answer: asyncio.Future[Message] | None = field(default=None, init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send requests without delay."""
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(exc or "closed before the end of the answer")))

    def data_received(self, data: bytes) -> None:
        """Look at the time and collect."""
        if self.first_token is None and mark.OPENING in data:
            self.first_token = time.perf_counter() - self._asked
            self._load.served += not self._was_served
            self._was_served = True
        if self._load.scenario.stamped:
            self._compare(data)
        for answer in self._reader.feed(data):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    async def ask(self, request: bytes) -> Message:
        """Send a request and wait for its answer. Raises `OSError` if the connection is lost."""
        if self._transport is None:
            raise ConnectionError("closed between two requests")
        self.first_token = None
        self._answer = asyncio.get_running_loop().create_future()
        self._asked = time.perf_counter()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.close()

    def _compare(self, data: bytes) -> None:
        if self._load.served < self._load.scenario.clients:
            return
        now = time.monotonic_ns()
        self._load.late.extend((now - int(sent)) / 1e9 for sent in mark.STAMP.findall(data))
