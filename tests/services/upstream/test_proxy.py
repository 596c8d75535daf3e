"""Promises of connections through a proxy: the handshake byte by byte, and the whole way on loopback sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, evolve, field
from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from claude_bridge.config.proxy import ProxyServer
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.core.http1 import MAX_INTERIM_RESPONSES, FramingError, HeadTooLong, SpeaksTLS
from claude_bridge.services.upstream.endpoints import DOUBT_SECONDS, ConnectTimedOut, LimitedEndpoint
from claude_bridge.services.upstream.proxy import (
    ProxyClosed,
    ProxyError,
    ProxyGarbled,
    ProxyRefused,
    ProxySilent,
    ProxyUnreachable,
    TunnelEndpoint,
    connect_request,
)
from tests.services.upstream.connect_proxy import ESTABLISHED, ConnectProxy, Incoming
from tests.services.upstream.loopback import CHUNKED, Bench, Notes, answer, chunk
from tests.services.upstream.test_endpoints import self_signed

REQUEST = b"CONNECT llm.example:443 HTTP/1.1\r\nHost: llm.example:443\r\n\r\n"
PLAIN = ProxyServer("proxy", 3128)


class Inside(Protocol):
    """The protocol that gets the connection."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ends: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.ends.append(reason)


class InsideFactory(Factory):
    """Builds them, and counts."""

    noisy = False

    def __init__(self) -> None:
        self.built: list[Inside] = []

    def buildProtocol(self, addr: IAddress | None) -> Inside:  # noqa: ARG002, N802 - Twisted's signature
        """Build one."""
        self.built.append(Inside())
        return self.built[-1]


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """Connects at once, or as ``connected`` says; the peer is the test."""

    def __init__(self, connected: Deferred[Any] | None = None) -> None:
        self.transport = StringTransport()
        self.protocol: Any = None
        self._connected = connected

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""
        if self._connected is not None:
            return self._connected
        self.protocol = factory.buildProtocol(self.transport.getPeer())
        self.protocol.makeConnection(self.transport)
        return succeed(self.protocol)


@define(eq=False)
class Handshake:
    """One handshake with a proxy that the test plays."""

    proxy: MemoryEndpoint = field(factory=MemoryEndpoint)
    inside: InsideFactory = field(factory=InsideFactory)
    connected: list[Any] = field(factory=list)
    failed: list[ProxyError] = field(factory=list)
    deferred: Deferred[Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin."""
        self.deferred = TunnelEndpoint(self.proxy, REQUEST).connect(self.inside)
        self.deferred.addCallbacks(self.connected.append, lambda failure: self.failed.append(failure.value))

    @property
    def closed(self) -> bool:
        """Whether the connection was closed at once."""
        return bool(self.proxy.transport.disconnected)

    def receive(self, *pieces: bytes) -> None:
        """Hear from the proxy."""
        for piece in pieces:
            self.proxy.protocol.dataReceived(piece)


def splits(content: bytes) -> list[tuple[bytes, ...]]:
    """Return every division in two, the whole, and single bytes."""
    halves = [(content[:at], content[at:]) for at in range(1, len(content))]
    return [(content,), *halves, tuple(content[at : at + 1] for at in range(len(content)))]


class RequestTests:
    """What the proxy is asked."""

    @pytest.mark.parametrize(
        ("host", "authority"),
        [("llm.example", b"llm.example:443"), ("10.0.0.1", b"10.0.0.1:443"), ("fd00::1", b"[fd00::1]:443")],
    )
    def test_target(self, host: str, authority: bytes) -> None:
        """It is asked for the backend's host, by name, and its port."""
        expected = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority)
        assert connect_request(host, 443, PLAIN) == expected

    @pytest.mark.parametrize(
        ("user", "password", "login"),
        [
            ("Aladdin", "open sesame", b"QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),  # RFC 7617, 2
            ("test", "123\u00a3", b"dGVzdDoxMjPCow=="),  # RFC 7617, 2.1
            ("me", None, b"bWU6"),
            ("", "token", b"OnRva2Vu"),
        ],
    )
    def test_login(self, user: str, password: str | None, login: bytes) -> None:
        """User and password are sent as Basic, in UTF-8."""
        secret = None if password is None else Secret(password)
        sent = connect_request("llm.example", 443, ProxyServer("proxy", 3128, user, secret))
        assert sent == REQUEST[:-2] + b"Proxy-Authorization: Basic " + login + b"\r\n\r\n"


class HandshakeTests:
    """The proxy's answer, however it is cut."""

    def test_first_the_request(self) -> None:
        """CONNECT is sent at once, and nothing is connected before the proxy has answered."""
        handshake = Handshake()
        assert handshake.proxy.transport.value() == REQUEST
        assert (handshake.connected, handshake.failed, handshake.inside.built) == ([], [], [])

    @pytest.mark.parametrize(
        "content",
        [
            ESTABLISHED,
            b"HTTP/1.0 200 Connection established\r\n\r\n",
            b"HTTP/1.1 200\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Well\r\nVia: 1.1 proxy\r\n\r\n",
            b"HTTP/1.1 200 OK\nProxy-Agent: x\n\n",
        ],
        ids=["usual", "1.0", "framed", "interim", "line feeds"],
    )
    def test_success(self, content: bytes) -> None:
        """Any status of success opens the tunnel with the end of its head, whatever its headers say of a body."""
        for pieces in splits(content):
            handshake = Handshake()
            handshake.receive(*pieces[:-1])
            assert handshake.connected == []
            handshake.receive(pieces[-1])
            (inside,) = handshake.inside.built
            assert handshake.connected == [inside]
            assert inside.transport is handshake.proxy.transport
            assert (inside.received, handshake.failed, handshake.closed) == ([], [], False)

    def test_then_everything_is_passed_on(self) -> None:
        """After it bytes come as they were read, and the end of the connection with its reason."""
        handshake = Handshake()
        handshake.receive(ESTABLISHED, b"HTTP/1.1 407 x\r\n\r\n", b"\x16\x03")
        (inside,) = handshake.inside.built
        assert inside.received == [b"HTTP/1.1 407 x\r\n\r\n", b"\x16\x03"]
        reason = Failure(network.ConnectionLost())
        handshake.proxy.protocol.connectionLost(reason)
        assert inside.ends == [reason]
        assert handshake.failed == []

    @pytest.mark.parametrize(
        ("content", "status", "schemes"),
        [
            (b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nsecret", 403, ()),
            (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", 302, ()),
            (
                b'HTTP/1.0 407 Who\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm="a"\r\n\r\n',
                407,
                ("ntlm", "basic"),
            ),
            (b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate, NTLM\r\n\r\n", 407, ("negotiate", "ntlm")),
        ],
    )
    def test_refusal(self, content: bytes, status: int, schemes: tuple[str, ...]) -> None:
        """Any other status is a refusal, known with its head, and closes the connection."""
        for pieces in splits(content):
            handshake = Handshake()
            handshake.receive(*pieces)
            (error,) = handshake.failed
            assert isinstance(error, ProxyRefused)
            assert (error.status, error.schemes) == (status, schemes)
            assert handshake.closed
            assert handshake.inside.built == []
            assert "secret" not in f"{error!s}{error!r}"

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            (b"220 mail.example ESMTP\r\n", FramingError),
            (b"SSH-2.0-OpenSSH_9.2\r\n", FramingError),
            (b"\x05\x00\r\n", FramingError),
            (b"\x15\x03\x01\x00\x02\x02\x46", SpeaksTLS),
            (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", FramingError),
            (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", FramingError),
            (b"HTTP/1.1 102 Processing\r\n\r\n" * (MAX_INTERIM_RESPONSES + 1), HeadTooLong),
        ],
    )
    def test_garbage(self, content: bytes, cause: type[FramingError]) -> None:
        """What is not HTTP is told from an answer."""
        for pieces in splits(content)[:: max(1, len(content) // 100)]:
            handshake = Handshake()
            handshake.receive(*pieces)
            (error,) = handshake.failed
            assert isinstance(error, ProxyGarbled)
            assert type(error.cause) is cause
            assert handshake.closed
            assert handshake.inside.built == []

    def test_bytes_after_the_head(self) -> None:
        """A backend says nothing before it is asked: bytes right after a success are not the backend's."""
        handshake = Handshake()
        handshake.receive(ESTABLISHED + b"<html>")
        (error,) = handshake.failed
        assert isinstance(error, ProxyGarbled)
        assert error.cause is None
        assert handshake.closed

    @pytest.mark.parametrize("content", [b"", b"HTTP/1.1 2", ESTABLISHED[:-1]])
    def test_close(self, content: bytes) -> None:
        """A proxy that closes before the end of its answer has given none."""
        handshake = Handshake()
        if content:
            handshake.receive(content)
        handshake.proxy.protocol.connectionLost(Failure(network.ConnectionDone()))
        (error,) = handshake.failed
        assert isinstance(error, ProxyClosed)

    def test_end_after_a_refusal(self) -> None:
        """What comes after a failure, the rest of the answer or the end of the connection, changes nothing."""
        handshake = Handshake()
        handshake.receive(b"HTTP/1.1 403 No\r\n\r\n", b"<html>", ESTABLISHED)
        handshake.proxy.protocol.connectionLost(Failure(network.ConnectionDone()))
        assert [type(error) for error in handshake.failed] == [ProxyRefused]
        assert handshake.inside.built == []

    def test_silence(self) -> None:
        """A proxy that does not answer within the limit is given up, and the failure says how far it came."""
        clock, proxy, failures = Clock(), MemoryEndpoint(), list[Any]()
        endpoint = LimitedEndpoint(TunnelEndpoint(proxy, REQUEST), clock, 10.0)
        endpoint.connect(InsideFactory()).addErrback(failures.append)
        proxy.protocol.dataReceived(ESTABLISHED[:-1])
        clock.advance(9.9)
        assert failures == []
        clock.advance(0.2)
        assert failures[0].check(ProxySilent)
        assert proxy.transport.disconnected
        proxy.protocol.dataReceived(b"\n")
        assert len(failures) == 1

    def test_limit_after_the_tunnel(self) -> None:
        """Once the proxy has answered it is not to blame for the time that the rest takes."""
        clock, proxy, failures = Clock(), MemoryEndpoint(), list[Any]()

        @implementer(IStreamClientEndpoint)
        class Waiting:
            """Waits for ever after its connection."""

            def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
                """Connect and wait."""
                return TunnelEndpoint(proxy, REQUEST).connect(factory).addCallback(lambda _: Deferred())

        LimitedEndpoint(Waiting(), clock, 10.0).connect(InsideFactory()).addErrback(failures.append)
        proxy.protocol.dataReceived(ESTABLISHED)
        clock.advance(10.1)
        assert failures[0].check(ConnectTimedOut)

    def test_no_proxy(self) -> None:
        """A proxy that cannot be reached is told from a backend that cannot."""
        handshake = Handshake(MemoryEndpoint(fail(network.ConnectionRefusedError())))
        (error,) = handshake.failed
        assert isinstance(error, ProxyUnreachable)
        assert isinstance(error.cause, network.ConnectionRefusedError)

    def test_cancel_while_connecting(self) -> None:
        """Cancelling ends the way to the proxy too."""
        connecting: Deferred[Any] = Deferred()
        handshake = Handshake(MemoryEndpoint(connecting))
        handshake.deferred.cancel()
        (error,) = handshake.failed
        assert isinstance(error, ProxyUnreachable)
        assert isinstance(error.cause, CancelledError)


async def ask(bench: Bench, backend: Any, **settings: Any) -> Notes:
    """Send one request and wait for its end."""
    notes = Notes()
    bench.client.send(bench.request(backend, **settings), notes)
    await bench.end_of(notes)
    return notes


def told(notes: Notes) -> str:
    """Return the message of the one error, which is of the connection."""
    (error,) = notes.ends
    assert isinstance(error, UpstreamUnreachable)
    return error.message


# Twisted hands pyOpenSSL objects of its own older kind.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class ThroughTests:
    """Everything that goes to the backend goes through the proxy."""

    @pytest_twisted.ensureDeferred
    async def test_plain_http(self, bench: Bench) -> None:
        """An http backend is reached through a tunnel too, and sees nothing of the proxy or of its login."""
        proxy = ConnectProxy(bench)
        raw, backend = bench.serve(answer, proxy=proxy.setting)
        direct, other = bench.serve(answer)
        assert (await ask(bench, backend)).body == b"ok"
        assert (await ask(bench, other)).body == b"ok"
        port = backend.url.rpartition(":")[2].removesuffix("/v1").encode()
        assert proxy.targets == [b"127.0.0.1:" + port]
        assert b"\r\nProxy-Authorization: Basic bWU6cGFzcy05ZjhlN2Q2Yw==\r\n" in proxy.connections[0].request
        assert raw.requests[0].replace(port, b"") == direct.requests[0].replace(
            other.url.rpartition(":")[2].removesuffix("/v1").encode(), b""
        )

    @pytest_twisted.ensureDeferred
    async def test_tls(self, bench: Bench, tmp_path: Path) -> None:
        """TLS is inside the tunnel: the backend's own name is asked for and checked, with the backend's authority.

        The name is known to the proxy alone.
        """
        made = self_signed(names=("llm.example.test",))
        asked: list[bytes | None] = []
        made.options.getContext().set_tlsext_servername_callback(lambda peer: asked.append(peer.get_servername()))
        (tmp_path / "ca.pem").write_bytes(made.pem)
        proxy = ConnectProxy(bench)
        settings: dict[str, Any] = {"ca_file": str(tmp_path / "ca.pem"), "proxy": proxy.setting}
        raw, backend = bench.serve_tls(answer, made.options, "llm.example.test", **settings)
        for _ in range(3):
            notes = await ask(bench, backend)
            assert (notes.body, notes.ends) == (b"ok", [None])
        assert asked == [b"llm.example.test"]
        assert proxy.targets == [backend.url.removeprefix("https://").removesuffix("/v1").encode()]
        assert len(raw.requests) == 3
        assert not any(b"roxy" in request for request in raw.requests)

    @pytest_twisted.ensureDeferred
    async def test_untrusted(self, bench: Bench, tmp_path: Path) -> None:
        """A certificate of another authority, or for another name, is refused in the tunnel too."""
        made = self_signed(names=("llm.example.test",))
        (tmp_path / "ca.pem").write_bytes(made.pem)
        proxy = ConnectProxy(bench)
        raw, backend = bench.serve_tls(answer, made.options, "llm.example.test", proxy=proxy.setting)
        assert told(await ask(bench, backend)) == (
            "cannot reach backend b through its proxy: TLS failed, certificate verify failed; a proxy that "
            "intercepts TLS has its own certificate authority: name it in ca_file"
        )
        other = evolve(backend, url=backend.url.replace("llm.", "other."), ca_file=str(tmp_path / "ca.pem"))
        assert "through its proxy: TLS failed" in told(await ask(bench, other))
        assert raw.requests == []

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
    async def test_stream(self, bench: Bench, tmp_path: Path, tls: bool) -> None:
        """A large body arrives whole and in order, however often its reader pauses."""
        content = bytes(range(256)) * 4096

        def script(conversation: Any, _: int) -> None:
            conversation.transport.write(CHUNKED)
            for at in range(0, len(content), 65_536):
                conversation.transport.write(chunk(content[at : at + 65_536]))
            conversation.transport.write(chunk(b""))

        def pause(_: bytes) -> None:
            producer = notes.producer
            assert producer is not None
            producer.pauseProducing()
            bench.reactor.callLater(0, producer.resumeProducing)

        proxy = ConnectProxy(bench)
        made = self_signed("127.0.0.1")
        (tmp_path / "ca.pem").write_bytes(made.pem)
        settings: dict[str, Any] = {"ca_file": str(tmp_path / "ca.pem"), "proxy": proxy.setting}
        serve = (
            bench.serve_tls(script, made.options, "127.0.0.1", **settings) if tls else bench.serve(script, **settings)
        )
        notes = Notes(on_data=pause)
        bench.client.send(bench.request(serve[1]), notes)
        await bench.end_of(notes)
        assert (notes.body == content, notes.ends) == (True, [None])

    @pytest_twisted.ensureDeferred
    async def test_plain_http_is_found_out(self, bench: Bench) -> None:
        """That a server does not speak TLS is found out through the proxy as well."""
        proxy = ConnectProxy(bench)
        raw, plain = bench.serve(answer, proxy=proxy.setting)
        notes = Notes()
        bench.client.send(bench.request(evolve(plain, url=plain.url.replace("http:", "https:"))), notes)
        await bench.until(lambda: notes.ends, DOUBT_SECONDS + 2)
        assert told(notes) == (
            "cannot reach backend b through its proxy: the server there does not speak TLS, so its url must begin "
            "with http://"
        )
        assert len(proxy.targets) == 2
        assert raw.requests == [b"HEAD / HTTP/1.0\r\n\r\n"]
        await bench.until(lambda: all(connection.lost for connection in proxy.connections), 1)

    @pytest_twisted.ensureDeferred
    async def test_another_proxy(self, bench: Bench) -> None:
        """A backend whose proxy has changed is another: its next request goes through the new one."""
        first, second = ConnectProxy(bench), ConnectProxy(bench)
        _, backend = bench.serve(answer, proxy=first.setting)
        await ask(bench, backend)
        changed = evolve(backend, proxy=second.setting)
        await ask(bench, changed)
        assert (len(first.targets), len(second.targets)) == (1, 1)
        bench.client.keep_only([changed])
        await bench.until(lambda: first.connections[0].lost, 1)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
    @pytest.mark.parametrize(
        ("script", "message"),
        [
            (
                lambda c: c.transport.write(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\n\r\n"),
                ": its proxy does not accept the user and password (HTTP 407)",
            ),
            (
                lambda c: c.transport.write(b"HTTP/1.1 502 Bad\r\n\r\n"),
                ": its proxy has no connection to this backend (HTTP 502 of the proxy)",
            ),
            (lambda c: c.transport.write(b"+OK\r\n"), ": its proxy did not answer in HTTP: is it an HTTP proxy?"),
            (
                lambda c: c.transport.loseConnection(),
                ": its proxy closed the connection without an answer to CONNECT",
            ),
            (lambda _: None, ": its proxy did not answer within 0.3 s"),
        ],
        ids=["407", "502", "garbage", "close", "silence"],
    )
    async def test_refusals(self, bench: Bench, script: Callable[[Incoming], object], message: str, tls: bool) -> None:
        """Whatever the proxy does instead of a tunnel is told as its doing, asked once, and closed."""
        proxy = ConnectProxy(bench, script)
        raw, plain = bench.serve(answer, proxy=proxy.setting, connect_timeout=0.3)
        backend = evolve(plain, url=plain.url.replace("http:", "https:")) if tls else plain
        notes = await ask(bench, backend)
        assert told(notes) == f"cannot reach backend b{message}"
        assert raw.conversations == []
        assert len(proxy.connections) == 1
        await bench.until(lambda: proxy.connections[0].lost, 1)

    @pytest_twisted.ensureDeferred
    async def test_proxy_that_does_not_run(self, bench: Bench) -> None:
        """A proxy that is not there is not taken for a backend that is not there."""
        proxy = ConnectProxy(bench)
        await bench.ports.pop().stopListening()
        _, backend = bench.serve(answer, proxy=proxy.setting)
        assert told(await ask(bench, backend)) == ("cannot reach backend b: its proxy does not run: connection refused")

    @pytest_twisted.ensureDeferred
    async def test_tls_within_the_limit(self, bench: Bench) -> None:
        """The one limit covers TLS in the tunnel too."""
        proxy = ConnectProxy(bench)
        raw, plain = bench.serve(answer, proxy=proxy.setting, connect_timeout=0.3)
        backend = evolve(plain, url=plain.url.replace("http:", "https:"))
        assert told(await ask(bench, backend)) == (
            "cannot reach backend b through its proxy: no connection within 0.3 s"
        )
        await bench.until(lambda: raw.conversations[0].lost, 1)

    @pytest_twisted.ensureDeferred
    async def test_client_that_leaves(self, bench: Bench) -> None:
        """A client that leaves while the proxy is being asked closes that connection at once."""
        proxy = ConnectProxy(bench, lambda _: None)
        _, backend = bench.serve(answer, proxy=proxy.setting)
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: proxy.connections and proxy.connections[0].request)
        call.cancel()
        await bench.until(lambda: proxy.connections[0].lost, 0.1)
        assert not notes.heard
