"""Backends made of raw sockets on the loopback interface, and a receiver that notes what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import BridgeError
from claude_bridge.services.interfaces import PushProducer, ResponseHead, UpstreamRequest
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.client import TreqUpstream

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def chunk(data: bytes) -> bytes:
    """Frame one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Conversation(Protocol):
    """One connection that a raw backend got."""

    transport: Any
    factory: Any

    def __init__(self) -> None:
        self.received = b""
        self.requests: list[bytes] = []
        self.lost = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the list."""
        self.factory.conversations.append(self)
        self.factory.on_connect(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take whole requests apart and give each to the script."""
        self.received += data
        while (request := self._whole()) is not None:
            self.requests.append(request)
            self.factory.script(self, len(self.requests))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Note it."""
        self.lost = True

    def close_unread(self) -> None:
        """Close the socket as a server does whose time is up, whatever has arrived meanwhile."""
        self.transport.stopReading()
        self.transport.loseConnection()

    def _whole(self) -> bytes | None:
        head, mark, rest = self.received.partition(b"\r\n\r\n")
        if not mark:
            return None
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return None
        self.received = rest[length:]
        return head + mark + rest[:length]


def answer(conversation: Conversation, _: int) -> None:
    """Give a short whole answer."""
    conversation.transport.write(SHORT)


class RawBackend(Factory):
    """Runs ``script(conversation, number of the request on it)`` for every request."""

    protocol = Conversation
    noisy = False

    def __init__(self, script: Callable[[Conversation, int], object]) -> None:
        self.script = script
        self.conversations: list[Conversation] = []
        self.on_connect: Callable[[Conversation], object] = lambda _: None

    def buildProtocol(self, addr: IAddress | None) -> Conversation:  # noqa: ARG002, N802 - Twisted's name
        """Build one."""
        conversation = Conversation()
        conversation.factory = self
        return conversation

    @property
    def requests(self) -> list[bytes]:
        """All requests of all connections."""
        return [request for conversation in self.conversations for request in conversation.requests]


@define(eq=False)
class Notes:
    """A receiver that notes everything; ``on_head`` and ``on_data`` may do more."""

    head: ResponseHead | None = None
    producer: PushProducer | None = None
    pieces: list[bytes] = field(factory=list)
    ends: list[BridgeError | None] = field(factory=list)
    on_head: Callable[[PushProducer], object] = lambda _: None
    on_data: Callable[[bytes], object] = lambda _: None

    def head_received(self, head: ResponseHead, producer: PushProducer) -> None:
        """Note it."""
        assert self.head is None
        assert not self.ends
        self.head, self.producer = head, producer
        self.on_head(producer)

    def data_received(self, data: bytes) -> None:
        """Note it."""
        assert self.head is not None
        assert not self.ends
        self.pieces.append(data)
        self.on_data(data)

    def ended(self, error: BridgeError | None) -> None:
        """Note it."""
        self.ends.append(error)

    @property
    def body(self) -> bytes:
        """All bytes so far."""
        return b"".join(self.pieces)

    @property
    def heard(self) -> bool:
        """Whether anything at all was heard."""
        return self.head is not None or bool(self.pieces) or bool(self.ends)


@define(eq=False)
class Bench:
    """A client under test on a real reactor, with a fast sweep, and the raw backends of one test."""

    reactor: Any
    sweep: PeriodicSweep = field(init=False)
    client: TreqUpstream = field(init=False)
    ports: list[Any] = field(factory=list)
    backends: list[RawBackend] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Build the client."""
        self.sweep = PeriodicSweep(self.reactor, interval=0.02)
        self.client = TreqUpstream(self.reactor, self.sweep)

    def serve(
        self, script: Callable[[Conversation, int], object], interface: str = "127.0.0.1", **settings: Any
    ) -> tuple[RawBackend, Backend]:
        """Listen with ``script`` and return the backend's configuration."""
        raw = RawBackend(script)
        port = self.reactor.listenTCP(0, raw, interface=interface)
        host = f"[{interface}]" if ":" in interface else interface
        return self._keep(raw, port, "http", host, settings)

    def serve_tls(
        self, script: Callable[[Conversation, int], object], context: Any, host: str, **settings: Any
    ) -> tuple[RawBackend, Backend]:
        """Do the same over TLS."""
        raw = RawBackend(script)
        port = self.reactor.listenSSL(0, raw, context, interface="127.0.0.1")
        return self._keep(raw, port, "https", host, settings)

    def request(self, backend: Backend, body: bytes = b"{}", **settings: Any) -> UpstreamRequest:
        """Make a request to ``backend``."""
        return UpstreamRequest(backend=backend, url=f"{backend.url}/chat/completions", body=body, **settings)

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Turn the reactor until ``condition`` holds."""
        deadline = self.reactor.seconds() + seconds
        while not condition():
            assert self.reactor.seconds() < deadline, "it did not happen in time"
            await self.pause(0.005)

    async def end_of(self, notes: Notes) -> None:
        """Turn the reactor until ``notes`` heard the end."""
        await self.until(lambda: notes.ends)

    async def pause(self, seconds: float) -> None:
        """Let the reactor turn for ``seconds``."""
        waiting: Deferred[None] = deferLater(self.reactor, seconds, lambda: None)
        await waiting

    async def stop(self) -> None:
        """Close everything."""
        self.sweep.stopService()
        await self.client.close()
        for port in self.ports:
            await port.stopListening()
        for raw in self.backends:
            for conversation in raw.conversations:
                if not conversation.lost:
                    conversation.transport.abortConnection()
        await self.until(lambda: all(c.lost for raw in self.backends for c in raw.conversations))

    def _keep(
        self, raw: RawBackend, port: Any, scheme: str, host: str, settings: dict[str, Any]
    ) -> tuple[RawBackend, Backend]:
        self.ports.append(port)
        self.backends.append(raw)
        return raw, Backend(name="b", url=f"{scheme}://{host}:{port.getHost().port}/v1", **settings)
