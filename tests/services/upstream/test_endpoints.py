"""Promises of the way to a connection: connect limit, TLS trust, endpoints kept."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, KeyPair, PrivateCertificate
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.services.upstream.endpoints import (
    DOUBT_SECONDS,
    ConnectTimedOut,
    Endpoints,
    LimitedEndpoint,
    Origin,
    TrustUnusable,
    https_policy,
)
from tests.services.upstream.loopback import CHUNKED, Bench, Notes, answer, chunk


@frozen
class SelfSigned:
    """A server certificate that nobody signed but itself."""

    pem: bytes
    options: Any


def self_signed(*addresses: str, names: tuple[str, ...] = (), days: int = 1) -> SelfSigned:
    """Make one for ``addresses`` and ``names``; with negative ``days`` it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test backend {addresses} {names}")])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    alternatives += [x509.DNSName(other) for other in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    private = PrivateCertificate.fromCertificateAndKeyPair(Certificate.loadPEM(pem), KeyPair.load(secret, 1))
    return SelfSigned(pem, private.options())


class SlowRelay:
    """A port whose first connection is passed on to another after some seconds, the others at once to nobody."""

    def __init__(self, bench: Bench, port: int, seconds: float) -> None:
        relay = self
        self.connections = 0

        class Inner(Protocol):
            """The side of the server."""

            outer: Any
            transport: Any

            def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
                """Give what has come meanwhile."""
                self.outer.inner = self
                self.transport.write(self.outer.held)

            def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
                """Pass it on."""
                self.outer.transport.write(data)

        class Outer(Protocol):
            """The side of the client."""

            held = b""
            inner: Any = None
            transport: Any

            def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
                """Connect later."""
                relay.connections += 1
                if relay.connections == 1:
                    bench.reactor.callLater(seconds, self.connect)

            def connect(self) -> None:
                """Connect."""
                inner = Inner()
                inner.outer = self
                connectProtocol(TCP4ClientEndpoint(bench.reactor, "127.0.0.1", port), inner)

            def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
                """Pass it on, or keep it."""
                if self.inner is None:
                    self.held += data
                else:
                    self.inner.transport.write(data)

            def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's
                """End both."""
                if self.inner is not None:
                    self.inner.transport.abortConnection()

        factory = Factory.forProtocol(Outer)
        factory.noisy = False
        listening = bench.reactor.listenTCP(0, factory, interface="127.0.0.1")
        bench.ports.append(listening)
        self.port = listening.getHost().port


# Twisted hands pyOpenSSL objects of its own older kind.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class TlsTests:
    """TLS is verified, always."""

    @pytest_twisted.ensureDeferred
    async def test_untrusted_certificate(self, bench: Bench) -> None:
        """A certificate that the system does not trust gets no request, and the reason is told."""
        raw, backend = bench.serve_tls(answer, self_signed("127.0.0.1").options, "127.0.0.1")
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamUnreachable)
        assert "cannot reach backend b: TLS failed, certificate verify failed" in error.message
        assert raw.requests == []

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            (lambda: self_signed(names=("elsewhere.test",)), "TLS failed"),
            (
                lambda: self_signed("127.0.0.1", days=-1),
                "cannot reach backend b: TLS failed, certificate verify failed",
            ),
        ],
        ids=["for another name", "expired"],
    )
    async def test_unusable_certificate(
        self, bench: Bench, tmp_path: Path, made: Callable[[], SelfSigned], reason: str
    ) -> None:
        """A certificate of a trusted authority that is for somebody else, or has expired, gets no request either."""
        certificate = made()
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(certificate.pem)
        raw, backend = bench.serve_tls(answer, certificate.options, "127.0.0.1", ca_file=str(ca_file))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)
        assert reason in str(notes.ends[0])
        assert raw.requests == []

    @pytest_twisted.ensureDeferred
    async def test_ca_file(self, bench: Bench, tmp_path: Path) -> None:
        """With ca_file a private authority is trusted; it may be one of several in the file."""
        made = self_signed("127.0.0.1")
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(b"# ours\n" + self_signed("127.0.0.9").pem + made.pem)
        _, backend = bench.serve_tls(answer, made.options, "127.0.0.1", ca_file=str(ca_file))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"ok", [None])

    @pytest_twisted.ensureDeferred
    async def test_cancel_over_tls_closes_at_once(self, bench: Bench, tmp_path: Path) -> None:
        """Over TLS too a client that leaves closes the connection at once, without waiting for the backend."""
        made = self_signed("127.0.0.1")
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(made.pem)
        raw, backend = bench.serve_tls(
            lambda c, _: c.transport.write(CHUNKED + chunk(b"x")), made.options, "127.0.0.1", ca_file=str(ca_file)
        )
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.pieces)
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        assert notes.ends == []

    @pytest_twisted.ensureDeferred
    async def test_missing_ca_file(self, bench: Bench, tmp_path: Path) -> None:
        """A ca_file that is not there is told to whoever asks, by the backend's name."""
        options = self_signed("127.0.0.1").options
        _, backend = bench.serve_tls(answer, options, "127.0.0.1", ca_file=str(tmp_path / "none.pem"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)
        assert "ca_file" in str(notes.ends[0])

    @pytest_twisted.ensureDeferred
    async def test_peer_that_never_speaks_tls(self, bench: Bench) -> None:
        """Something that accepts a connection and never shakes hands is unreachable, within the connect limit."""
        raw, plain = bench.serve(answer, connect_timeout=0.1)
        backend = evolve(plain, url=plain.url.replace("http:", "https:"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)
        assert "no connection within 0.1 s" in str(notes.ends[0])
        await bench.until(lambda: raw.conversations[0].lost, 0.1)

    @pytest_twisted.ensureDeferred
    async def test_peer_that_closes_instead_of_tls(self, bench: Bench) -> None:
        """Something that hangs up on TLS gets no request, and the client is told."""
        raw, plain = bench.serve(answer)
        raw.on_connect = lambda conversation: conversation.transport.loseConnection()
        backend = evolve(plain, url=plain.url.replace("http:", "https:"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)
        assert "closed the connection" in str(notes.ends[0])

    @pytest_twisted.ensureDeferred
    async def test_peer_that_speaks_plain_http(self, bench: Bench) -> None:
        """A server without TLS that waits for the rest of a request is known within a second or so, and not in ten."""
        raw, plain = bench.serve(answer)
        notes = Notes()
        bench.client.send(bench.request(evolve(plain, url=plain.url.replace("http:", "https:"))), notes)
        await bench.until(lambda: notes.ends, DOUBT_SECONDS + 2)
        (error,) = notes.ends
        assert isinstance(error, UpstreamUnreachable)
        assert error.message == (
            "cannot reach backend b: the server there does not speak TLS, so its url must begin with http://"
        )
        assert raw.requests == [b"HEAD / HTTP/1.0\r\n\r\n"]
        await bench.until(lambda: all(conversation.lost for conversation in raw.conversations), 1)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("size", [1, 3, 4096])
    @pytest.mark.parametrize("closes", [True, False])
    async def test_peer_that_answers_a_greeting_in_http(self, bench: Bench, size: int, closes: bool) -> None:
        """A server that calls the greeting a bad request is known at once."""
        raw, plain = bench.serve(answer)
        refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

        def refuse(conversation: Any) -> None:
            for start in range(0, len(refusal), size):
                conversation.transport.write(refusal[start : start + size])
            if closes:
                conversation.transport.loseConnection()

        raw.on_connect = refuse
        notes = Notes()
        bench.client.send(bench.request(evolve(plain, url=plain.url.replace("http:", "https:"))), notes)
        await bench.until(lambda: notes.ends, DOUBT_SECONDS / 2)
        assert "does not speak TLS" in str(notes.ends[0])

    @pytest_twisted.ensureDeferred
    async def test_peer_that_closes_at_a_greeting(self, bench: Bench) -> None:
        """A server without TLS that hangs up at the greeting is asked whether it speaks HTTP, and known."""
        raw, plain = bench.serve(answer)
        raw.on_connect = lambda c: c.transport.loseConnection() if len(raw.conversations) == 1 else None
        notes = Notes()
        bench.client.send(bench.request(evolve(plain, url=plain.url.replace("http:", "https:"))), notes)
        await bench.until(lambda: notes.ends, DOUBT_SECONDS / 2)
        assert "does not speak TLS" in str(notes.ends[0])

    @pytest_twisted.ensureDeferred
    async def test_slow_handshake(self, bench: Bench, tmp_path: Path) -> None:
        """A server that is slow to shake hands is doubted and then taken as it is."""
        made = self_signed("127.0.0.1")
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(made.pem)
        _, backend = bench.serve_tls(answer, made.options, "127.0.0.1", ca_file=str(ca_file))
        relay = SlowRelay(bench, int(backend.url.rpartition(":")[2].removesuffix("/v1")), DOUBT_SECONDS + 0.3)
        notes = Notes()
        slow = evolve(backend, url=f"https://127.0.0.1:{relay.port}/v1")
        bench.client.send(bench.request(slow), notes)
        await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"ok", [None])

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("size", [1, 2, 7])
    @pytest.mark.parametrize("alert", [b"\x15\x03\x03\x00\x02\x02\x32", b"\x15\x03\x01\x00\x02\x02\x0a"])
    async def test_alerts(self, bench: Bench, alert: bytes, size: int) -> None:
        """A server that waits for TLS and gets a plain request is known by its alert.

        That may come in pieces, and may hold what looks like the end of a line.
        """

        def script(conversation: Any, _: int) -> None:
            for start in range(0, len(alert), size):
                bench.reactor.callLater(start * 0.002, conversation.transport.write, alert[start : start + size])
            bench.reactor.callLater(0.05, conversation.transport.loseConnection)

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)
        assert str(notes.ends[0]) == (
            "cannot reach backend b: the server there speaks TLS, so its url must begin with https://"
        )

    @pytest_twisted.ensureDeferred
    async def test_cancel_during_the_handshake(self, bench: Bench) -> None:
        """A client that leaves while TLS is being set up closes the connection."""
        raw, plain = bench.serve(answer)
        backend = evolve(plain, url=plain.url.replace("http:", "https:"))
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: raw.conversations)
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        assert not notes.heard

    @pytest.mark.parametrize(
        "content",
        [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
        ids=["empty", "nonsense", "damaged"],
    )
    def test_useless_ca_file(self, tmp_path: Path, content: bytes) -> None:
        """A ca_file without a certificate in it never means to trust nobody or everybody: it is an error."""
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(content)
        with pytest.raises(TrustUnusable):
            https_policy(str(ca_file))


@implementer(IStreamClientEndpoint)
class DeafEndpoint:
    """Never connects; notes that it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: ARG002 - the interface's shape
        """Wait for ever."""

        def cancelled(_: object) -> None:
            self.cancelled = True

        return Deferred(cancelled)


class ConnectLimitTests:
    """The way to a connection has one limit."""

    def test_limit(self) -> None:
        """After connect_timeout the attempt is over, name resolution included, and nothing goes on behind it."""
        clock = Clock()
        deaf = DeafEndpoint()
        failures: list[Any] = []
        LimitedEndpoint(deaf, clock, 10.0).connect(Factory()).addErrback(failures.append)
        clock.advance(9.9)
        assert failures == []
        clock.advance(0.2)
        assert deaf.cancelled
        assert failures[0].check(ConnectTimedOut)

    @pytest_twisted.ensureDeferred
    async def test_limit_through_the_client(self, bench: Bench, monkeypatch: Any) -> None:
        """A backend that does not accept within connect_timeout is unreachable, and the seconds are told."""
        monkeypatch.setattr(
            "claude_bridge.services.upstream.endpoints.TCP4ClientEndpoint", lambda *_, **__: DeafEndpoint()
        )
        _, backend = bench.serve(answer, connect_timeout=0.1)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamUnreachable)
        assert error.message == "cannot reach backend b: no connection within 0.1 s"


class EndpointsTests:
    """Endpoints are built once."""

    def test_kept_for_an_origin(self, reactor: Any) -> None:
        """Requests to the same place share the endpoint, others do not."""
        endpoints = Endpoints(reactor, Backend(name="b"))
        first = endpoints.endpoint(Origin("http", "h", 1))
        assert endpoints.endpoint(Origin("http", "h", 1)) is first
        assert endpoints.endpoint(Origin("http", "h", 2)) is not first

    @pytest.mark.parametrize(
        ("host", "kind"),
        [
            ("127.0.0.1", TCP4ClientEndpoint),
            ("::1", TCP6ClientEndpoint),
            ("localhost", HostnameEndpoint),
            ("1.2.3", HostnameEndpoint),
        ],
    )
    def test_only_names_are_resolved(self, reactor: Any, host: str, kind: type) -> None:
        """An address is connected to as it is."""
        endpoint: Any = Endpoints(reactor, Backend(name="b")).endpoint(Origin("http", host, 1))
        assert type(endpoint._endpoint) is kind
