"""The yardstick: a relay on Twisted that passes on requests and answers as they are, and does nothing else.

``python -m benchmarks.relay BACKEND_PORT`` serves on loopback until it is told to stop; the line that it writes has its
port. Both HTTP protocols are written by hand: this is about the least that a request can cost a Twisted process. How
much more the daemon takes is a figure that can be compared across machines.
"""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from benchmarks.http1 import Framing

HOST = "127.0.0.1"


class Connection(Protocol):
    """A TCP connection, of either side."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Send each write as a packet of its own."""
        self.wire.setTcpNoDelay(True)

    @property
    def wire(self) -> ITCPTransport:
        """Return the transport, which is TCP."""
        return cast(ITCPTransport, self.transport)


@define(eq=False)
class Downstream(Connection):
    """A client's connection: whole requests go to the backend, and what it answers comes back.

    :ivar upstream: the connection on which an answer is under way.
    """

    _upstreams: Upstreams
    upstream: Upstream | None = field(default=None, init=False)
    _framing: Framing = field(factory=Framing, init=False)
    _request: list[bytes] = field(factory=list, init=False)
    _connecting: Deferred[None] = field(factory=lambda: succeed(None), init=False)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Collect a request, and ask once it is whole."""
        self._request.append(data)
        if self._framing.ends_with(data):
            self._connecting = self._upstreams.connected().addCallbacks(self._ask, self._refused)

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: ARG002, N802 - Twisted's shape
        """Let the backend know: nobody waits for its answer any more."""
        self._connecting.cancel()
        if self.upstream is not None:
            self.upstream.abandon()

    def _ask(self, upstream: Upstream) -> None:
        request, self._request = self._request, []
        self.upstream = upstream
        upstream.ask(request, self)

    def _refused(self, _failure: Failure) -> None:
        self.wire.loseConnection()


@define(eq=False)
class Upstream(Connection):
    """A connection to the backend, with at most one request under way."""

    _upstreams: Upstreams
    _downstream: Downstream | None = field(default=None, init=False)
    _framing: Framing = field(factory=Framing, init=False)

    def ask(self, request: list[bytes], downstream: Downstream) -> None:
        """Send a request whose answer goes to this client."""
        self._downstream = downstream
        self.wire.writeSequence(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Pass on what was read; after the answer's end the next request may have the connection."""
        downstream = self._downstream
        if downstream is None:
            self.wire.abortConnection()
            return
        downstream.wire.write(data)
        if self._framing.ends_with(data):
            downstream.upstream = self._downstream = None
            self._upstreams.idle.append(self)

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: ARG002, N802 - Twisted's shape
        """Leave, and take along a client whose answer is cut."""
        if self in self._upstreams.idle:
            self._upstreams.idle.remove(self)
        if self._downstream is not None:
            self._downstream.wire.loseConnection()

    def abandon(self) -> None:
        """End the connection in the middle of an answer."""
        self._downstream = None
        self.wire.abortConnection()


@define(eq=False)
class Upstreams:
    """Connections to the backend.

    :ivar idle: those at rest; the one used last is used next.
    """

    _endpoint: IStreamClientEndpoint
    idle: list[Upstream] = field(factory=list, init=False)

    def connected(self) -> Deferred[Upstream]:
        """Return a connection that is at rest, or a new one."""
        if self.idle:
            return succeed(self.idle.pop())
        return cast("Deferred[Upstream]", self._endpoint.connect(Factory.forProtocol(lambda: Upstream(self))))


def serve(reactor: Any, backend_port: int) -> int:  # noqa: ANN401 - Twisted's reactor has many interfaces
    """Listen on a free port of loopback and return it."""
    upstreams = Upstreams(TCP4ClientEndpoint(reactor, HOST, backend_port))
    listening = reactor.listenTCP(0, Factory.forProtocol(lambda: Downstream(upstreams)), interface=HOST)
    port: int = listening.getHost().port
    return port


def main() -> None:
    """Run."""
    from twisted.internet import reactor  # noqa: PLC0415 - a program, which may choose its reactor

    Factory.noisy = False
    port = serve(reactor, int(sys.argv[1]))
    sys.stderr.write(json.dumps({"event": "listening", "host": HOST, "port": port}) + "\n")
    sys.stderr.flush()
    cast(Any, reactor).run()


if __name__ == "__main__":
    main()
