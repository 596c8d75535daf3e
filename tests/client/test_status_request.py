"""Promises of the status line's question to a bridge."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from claude_bridge.client.status_request import (
    DOWN,
    INVALID_ADDRESS,
    KEY_REFUSED,
    NO_KEY,
    NOT_TRUSTED,
    NOT_UNDERSTOOD,
    Unanswered,
    ask,
    credentials,
)
from tests.client.status_samples import FIGURES, SESSION

BODY = json.dumps(FIGURES).encode()


class Server:
    """A server that gives one answer.

    :ivar url: its address.
    :ivar received: all that its client has sent.
    """

    def __init__(self, answer: bytes, context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.received = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # the client has enough, or never came
            connection, _ = self._listening.accept()
            if self._context is not None:
                connection.settimeout(10)
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while not self.received.endswith(b"}"):
                    data = connection.recv(65536)
                    if not data:
                        return
                    self.received += data
                for at in range(0, len(self._answer), 1000):
                    connection.sendall(self._answer[at : at + 1000])

    def close(self) -> None:
        """Stop, also while no client has come yet."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()


@contextmanager
def serving(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server with one answer; with a context it speaks TLS."""
    server = Server(answer, context)
    try:
        yield server
    finally:
        server.close()


def self_signed() -> bytes:
    """Return a certificate for this machine with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")]), datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form)


def whole(body: bytes = BODY, status: str = "200 OK") -> bytes:
    """Return an answer with its length."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def refusal(answer: bytes, *, has_answers: bool = False, **environ: str) -> str:
    """Return what the line says where this is the answer."""
    with serving(answer) as server, pytest.raises(Unanswered) as caught:
        ask({**environ, "ANTHROPIC_BASE_URL": server.url}, SESSION, has_answers=has_answers)
    return str(caught.value)


class AskTests:
    """One question."""

    def test_request(self) -> None:
        """The session's id goes to the bridge's own path with the client's token."""
        environ = {"ANTHROPIC_AUTH_TOKEN": "cb-secret", "ANTHROPIC_API_KEY": ""}
        with serving(whole()) as server:
            assert ask({**environ, "ANTHROPIC_BASE_URL": f"{server.url}/team/"}, SESSION) == FIGURES
        head, _, body = server.received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /team/v1/claude-bridge/session HTTP/1.1"
        assert f"host: {server.url.removeprefix('http://')}" in lines
        assert "authorization: Bearer cb-secret" in lines
        assert not any(line.startswith("x-api-key") for line in lines)
        assert json.loads(body) == {"session_id": SESSION}

    def test_chunks(self) -> None:
        """An answer in chunks is understood too."""
        pieces = [BODY[at : at + 70] for at in range(0, len(BODY), 70)]
        chunked = b"".join(b"%x;some=extension\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with serving(head + chunked + b"0\r\n\r\n") as server:
            assert ask({"ANTHROPIC_BASE_URL": server.url}, SESSION) == FIGURES

    def test_redirect(self) -> None:
        """A redirect is not followed, so that the credential goes nowhere else."""
        with serving(whole()) as other:
            answer = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
            assert refusal(answer.encode()) == "bridge answers 307"
        assert other.received == b""

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (whole(b"{}", "404 Not Found"), ""),
            (whole(b"<html>", "502 Bad Gateway"), "bridge answers 502"),
            (whole(b"<html>"), NOT_UNDERSTOOD),
            (whole(b"[1]"), NOT_UNDERSTOOD),
            (whole(b"[" * 100_000), NOT_UNDERSTOOD),
            (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", NOT_UNDERSTOOD),
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", NOT_UNDERSTOOD),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", DOWN),
            (b"HTTP/1.1 200 OK\r\n", DOWN),
            (b"", DOWN),
        ],
    )
    def test_no_figures(self, answer: bytes, told: str) -> None:
        """What is wrong is said in two or three words; a session that is not known yet is nothing wrong."""
        assert refusal(answer) == told

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
    def test_refused(self, status: str) -> None:
        """A key that the bridge refuses is told apart from none, where the client has one that is not passed on."""
        assert refusal(whole(b"{}", status), ANTHROPIC_AUTH_TOKEN="t") == KEY_REFUSED
        assert refusal(whole(b"{}", status)) == NO_KEY

    def test_no_key(self) -> None:
        """A session with answers that the bridge knows, and shows to nobody without its key, has no figures for that.

        With a key, and before the first answer, there is another reason.
        """
        unknown = whole(b"{}", "404 Not Found")
        assert refusal(unknown, has_answers=True) == NO_KEY
        assert refusal(unknown, has_answers=True, ANTHROPIC_API_KEY="k") == ""
        assert refusal(unknown) == ""

    def test_endless_answer(self) -> None:
        """An answer without an end is given up."""
        assert refusal(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * (3 << 20)) == DOWN

    def test_nothing_listens(self) -> None:
        """A bridge that does not run is down."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unanswered, match=DOWN):
            ask({"ANTHROPIC_BASE_URL": url}, SESSION)

    @pytest.mark.parametrize("url", ["", " ", "https://api.anthropic.com", "https://anthropic.com/"])
    def test_no_bridge(self, url: str) -> None:
        """Anthropic's own server is not asked, and nothing is said about it."""
        with pytest.raises(Unanswered) as caught:
            ask({"ANTHROPIC_BASE_URL": url} if url else {}, SESSION)
        assert str(caught.value) == ""

    @pytest.mark.parametrize(
        "url",
        ["127.0.0.1:8080", "ftp://x", "http://[::1", "http://h:x", "http://", "http://127.0.0.1:9/a b", "http://h\x01"],
    )
    def test_no_address(self, url: str) -> None:
        """An address that is none is said to be none."""
        with pytest.raises(Unanswered, match=INVALID_ADDRESS):
            ask({"ANTHROPIC_BASE_URL": url}, SESSION)

    def test_certificate(self, tmp_path: Path) -> None:
        """Over TLS a bridge is asked if the client trusts its certificate, and not trusted without it."""
        certificate = tmp_path / "bridge.pem"
        certificate.write_bytes(self_signed())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with serving(whole(), context) as server:
            environ = {"ANTHROPIC_BASE_URL": server.url, "NODE_EXTRA_CA_CERTS": str(certificate)}
            assert ask(environ, SESSION) == FIGURES
        with serving(whole(), context) as server, pytest.raises(Unanswered, match=NOT_TRUSTED):
            ask({"ANTHROPIC_BASE_URL": server.url}, SESSION)


class CredentialTests:
    """The headers."""

    def test_same_as_the_client(self) -> None:
        """Each variable has the header in which the client sends it; what no header can hold is not sent."""
        environ = {"ANTHROPIC_AUTH_TOKEN": " token ", "ANTHROPIC_API_KEY": "key"}
        assert credentials(environ) == {"authorization": "Bearer token", "x-api-key": "key"}
        assert credentials({"ANTHROPIC_API_KEY": "a\r\nhost: b"}) == {}
        assert credentials({}) == {}
