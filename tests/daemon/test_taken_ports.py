"""A port that is taken."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from twisted.internet.error import CannotListenError

from claude_bridge.config.listeners import Listener, listener
from claude_bridge.daemon import taken_ports
from claude_bridge.daemon.taken_ports import ask_health, explained

WHERE = listener("tcp:8080:interface=127.0.0.1")
TAKEN = CannotListenError("127.0.0.1", 8080, OSError(errno.EADDRINUSE, "Address already in use"))
OURS = b'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\n{"status":"stopping","active_requests":2}'


def told(answer: bytes | OSError, where: Listener = WHERE) -> str:
    """Explain a port whose holder answers this."""

    def ask(_where: Listener) -> bytes:
        if isinstance(answer, OSError):
            raise answer
        return answer

    return str(explained(TAKEN, where, ask))


@pytest.fixture
def held() -> Iterator[tuple[socket.socket, Listener]]:
    """Hold a port, and return its socket and what was to listen on it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, listener(f"tcp:{server.getsockname()[1]}:interface=127.0.0.1")


class ExplainedTests:
    """Who has the port, and what to do."""

    def test_another_bridge(self) -> None:
        """A bridge that answers, also one that is about to stop, is recognised."""
        assert told(OURS).startswith("port 8080 on 127.0.0.1 is taken: another claude-bridge has it")

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"\x16\x03\x01",
            b"HTTP/1.1 200 OK\r\n\r\nok",
            b'HTTP/1.1 200 OK\r\n\r\n{"status":"ok"}',
            b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 4000,
            b"HTTP/1.1 200 OK\r\n\r\n\xff",
            b'220 mail\r\n\r\n{"status":"ready","active_requests":0}',
            ConnectionRefusedError(),
            TimeoutError(),
        ],
    )
    def test_somebody_else(self, answer: bytes | OSError) -> None:
        """Of anybody else it is said how to find out."""
        assert "`ss -ltnp 'sport = :8080'` shows who has it" in told(answer)

    def test_what_to_do(self) -> None:
        """Every way to choose another port is named."""
        for way in ("`listen` in [server]", "HOST_PORT=PORT", "`claude-bridge run --listen PORT`"):
            assert way in told(OURS)

    def test_everywhere(self) -> None:
        """A listener on all interfaces is called that."""
        assert told(OURS, listener("tcp:8080")).startswith("port 8080 on all interfaces is taken")

    @pytest.mark.parametrize(
        ("error", "where"),
        [
            (CannotListenError("127.0.0.1", 80, OSError(errno.EACCES, "Permission denied")), WHERE),
            (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), WHERE),
            (CannotListenError("any", "/run/x", OSError(errno.EADDRINUSE, "in use")), listener("unix:/run/x")),
        ],
    )
    def test_other_errors(self, error: Exception, where: Listener) -> None:
        """What is no taken port stays as it is, and nobody is asked."""
        assert explained(error, where, lambda _: pytest.fail("asked")) is error


class AskTests:
    """The question itself, over a real socket."""

    def test_answer(self, held: tuple[socket.socket, Listener]) -> None:
        """The whole answer comes back, in however many pieces."""
        server, where = held
        heard: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(1000))
                connection.sendall(OURS[:20])
                connection.sendall(OURS[20:])

        thread = threading.Thread(target=answer)
        thread.start()
        assert ask_health(where) == OURS
        thread.join()
        assert heard[0].startswith(b"GET /health HTTP/1.1\r\n")

    @pytest.mark.parametrize("text", ["tcp:{}:interface=127.0.0.1", "ssl:{}:interface=127.0.0.1"])
    def test_silence(self, held: tuple[socket.socket, Listener], monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        """Whoever says nothing costs a moment, with TLS and without."""
        monkeypatch.setattr(taken_ports, "PATIENCE_SECONDS", 0.05)
        began = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            ask_health(listener(text.format(held[1].parameters["port"])))
        assert time.monotonic() - began < 5

    def test_endless_answer(self, held: tuple[socket.socket, Listener]) -> None:
        """Of an answer without end a few kilobytes are read."""
        server, where = held

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"x" * 20_000)

        thread = threading.Thread(target=answer)
        thread.start()
        assert len(ask_health(where)) <= 2 * taken_ports.MAX_ANSWER_BYTES
        thread.join()
