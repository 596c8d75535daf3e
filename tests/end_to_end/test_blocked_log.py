"""Whoever reads the log may stop reading it: clients do not notice, and the reader learns what it missed."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define

from tests.end_to_end.daemon import ini

REQUESTS = 600
"""Ten times as many as have room in a pipe."""


@define
class Stuck:
    """A daemon whose standard error is a blocking pipe, and the end of it that is read only when a test does."""

    process: subprocess.Popen[bytes]
    reader: int
    port: int

    def ask(self, times: int) -> list[int]:
        """Ask for a path that is not there, which writes a line each time, and return the answers' statuses."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            return [self._status(client, f"/nothing-{number}") for number in range(times)]
        finally:
            client.close()

    def _status(self, client: http.client.HTTPConnection, path: str) -> int:
        client.request("GET", path)
        with client.getresponse() as answer:
            answer.read()
            return answer.status

    def read(self, end: str, seconds: float = 10) -> list[str]:
        """Read lines until one holds ``end`` or the pipe is closed."""
        read, limit = b"", time.monotonic() + seconds
        while end.encode() not in read and time.monotonic() < limit:
            if select.select([self.reader], [], [], 0.1)[0]:
                part = os.read(self.reader, 65536)
                if not part:
                    break
                read += part
        return read.decode().splitlines()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Return whether anybody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def stuck(folder: Path) -> Iterator[Stuck]:
    """Start the daemon, and wait until it serves without reading what it says."""
    port = free_port()
    config = folder / "claude-bridge.ini"
    sections = {"server": {"listen": f"tcp:{port}:interface=127.0.0.1"}, "log": {"level": "debug"}}
    config.write_text(ini("http://127.0.0.1:9/v1", sections))
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [Path(sys.prefix) / "bin" / "claude-bridge", "run", "--config", config],
        stdout=subprocess.DEVNULL,
        stderr=writer,
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    os.close(writer)
    try:
        limit = time.monotonic() + 30
        while not listens(port):
            assert time.monotonic() < limit
            time.sleep(0.05)
        yield Stuck(process, reader, port)
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def letters(number: int) -> str:
    """Spell a number with letters: keys have no digits. The order stays."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")


class BlockedLogTests:
    """Standard error is a pipe in blocking mode, and its reader does nothing."""

    @pytest.fixture
    def daemon(self, tmp_path: Path) -> Iterator[Stuck]:
        """Yield a daemon."""
        with stuck(tmp_path) as started:
            yield started

    def test_everybody_is_answered(self, daemon: Stuck) -> None:
        """All requests are answered, and the reader that comes back gets all lines in their order."""
        assert daemon.ask(REQUESTS) == [404] * REQUESTS
        lines = daemon.read(f"nothing-{REQUESTS - 1}")
        paths = [read["kind"] for line in lines if (read := json.loads(line))["event"] == "request"]
        assert paths == [f"/nothing-{number}" for number in range(REQUESTS)]

    def test_missing_lines_are_told(self, daemon: Stuck) -> None:
        """Where more was logged than can wait, what is missing is told in its place, to the line."""
        many = 6 * REQUESTS
        assert daemon.ask(many) == [404] * many
        lines = [json.loads(line) for line in daemon.read("log-lines-lost")]
        (note,) = (line for line in lines if line["event"] == "log-lines-lost")
        seen = [line for line in lines if line["event"] == "request"]
        assert [line["kind"] for line in seen] == [f"/nothing-{number}" for number in range(len(seen))]
        assert note["lost"] == many - len(seen) > 0
        assert lines[-1] == note
        assert daemon.ask(1) == [404]
        assert "/nothing-0" in daemon.read("nothing-0")[-1]

    def test_it_can_be_stopped(self, daemon: Stuck) -> None:
        """A stop does not wait for the reader for more than a moment."""
        daemon.ask(REQUESTS)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=10) in (0, -signal.SIGTERM)

    def test_the_last_lines_are_seen(self, daemon: Stuck) -> None:
        """A reader that comes back in that moment gets everything up to the daemon's last line."""
        daemon.ask(REQUESTS)
        daemon.process.send_signal(signal.SIGTERM)
        lines = daemon.read("Server Shut Down.")
        assert "Server Shut Down." in lines[-1]
        assert sum('"event":"request"' in line for line in lines) == REQUESTS

    def test_a_fatal_mistake_is_seen(self, tmp_path: Path) -> None:
        """A start that must not succeed tells every mistake, also to who reads late, and ends with its status."""
        wrong = tmp_path / "wrong.ini"
        wrong.write_text("[server]\n" + "".join(f"nonsense{letters(number)} = 1\n" for number in range(1000)))
        with subprocess.Popen(
            [Path(sys.prefix) / "bin" / "claude-bridge", "run", "--config", wrong, "--log-format", "json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        ) as process:
            assert process.stderr is not None
            if not select.select([process.stderr], [], [], 30)[0]:
                raise AssertionError("nothing was said")
            time.sleep(0.3)  # by now the pipe is full
            told = process.stderr.read().decode().splitlines()
        assert process.returncode == 78
        assert [json.loads(line)["key"] for line in told] == [f"nonsense{letters(n)}" for n in range(1000)]
