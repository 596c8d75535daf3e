"""A CONNECT proxy on the loopback interface, which looks every name up as 127.0.0.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from claude_bridge.config.proxy import ProxyServer, ProxySetting
from claude_bridge.config.secret import Secret
from tests.services.upstream.loopback import Bench

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Outgoing(Protocol):
    """The connection to the backend."""

    transport: Any

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Pass it on."""
        self.incoming.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """End both."""
        self.incoming.transport.loseConnection()


class Incoming(Protocol):
    """A connection that the proxy got.

    :ivar request: the head of the request on it.
    """

    transport: Any

    def __init__(self, proxy: ConnectProxy) -> None:
        self.proxy = proxy
        self.request = b""
        self.lost = False
        self._received = b""
        self._outgoing: Any = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Join the list."""
        self.proxy.connections.append(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take the request apart and give it to the script, or pass on what follows it."""
        if self._outgoing is not None:
            self._outgoing.transport.write(data)
            return
        self._received += data
        if not self.request and self._received.endswith(b"\r\n\r\n"):
            self.request = self._received
            self.proxy.script(self)

    def establish(self) -> None:
        """Connect to the backend, and then say so."""
        port = int(self.request.split()[1].rpartition(b":")[2])
        endpoint = TCP4ClientEndpoint(self.proxy.reactor, "127.0.0.1", port)
        connectProtocol(endpoint, Outgoing(self)).addCallback(self._established)

    def _established(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self.transport.write(ESTABLISHED)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """End both."""
        self.lost = True
        if self._outgoing is not None:
            self._outgoing.transport.abortConnection()


class ConnectProxy(Factory):
    """Runs ``script(connection)`` for every request; by default that is `Incoming.establish`.

    :ivar setting: the value of ``proxy`` for it, with a login.
    """

    noisy = False

    def __init__(self, bench: Bench, script: Callable[[Incoming], object] = Incoming.establish) -> None:
        self.reactor = bench.reactor
        self.script = script
        self.connections: list[Incoming] = []
        port = self.reactor.listenTCP(0, self, interface="127.0.0.1")
        bench.ports.append(port)
        self.setting = ProxySetting(ProxyServer("127.0.0.1", port.getHost().port, "me", Secret("pass-9f8e7d6c")))

    @property
    def targets(self) -> list[bytes]:
        """What connections were asked for."""
        return [connection.request.split()[1] for connection in self.connections]

    def buildProtocol(self, addr: IAddress | None) -> Incoming:  # noqa: ARG002, N802 - Twisted's signature
        """Build one."""
        return Incoming(self)
