"""Promises of `claude_bridge.daemon.logs.outlet`: whatever the descriptor is, a write to it never waits."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define

from claude_bridge.daemon.logs.outlet import OWN, Outlet, outlet

LINE = b"x" * 799 + b"\n"
NOWHERE = "/nonexistent/{}"


@define
class Ends:
    """Two ends of something: bytes go in at ``descriptor`` and come out at ``reader``."""

    descriptor: int
    reader: int


@contextmanager
def open_ends(kind: str) -> Iterator[Ends]:
    """Open a pipe, a terminal or a pair of sockets, in blocking mode as everybody has them."""
    if kind == "socket":
        ours, theirs = socket.socketpair()
        ends = Ends(ours.detach(), theirs.detach())
    elif kind == "terminal":
        reader, descriptor = pty.openpty()
        ends = Ends(descriptor, reader)
    else:
        reader, descriptor = os.pipe()
        ends = Ends(descriptor, reader)
    try:
        yield ends
    finally:
        os.close(ends.descriptor)
        os.close(ends.reader)


def filled(made: Outlet) -> int:
    """Write lines until no more fit, and return how many bytes did."""
    total = 0
    while True:
        try:
            total += made.write(LINE)
        except BlockingIOError:
            return total


def emptied(reader: int) -> bytes:
    """Read what there is."""
    read = b""
    while select.select([reader], [], [], 0.2)[0]:
        read += os.read(reader, 65536)
    return read


@pytest.fixture
def impatient() -> Iterator[None]:
    """End a test that waits where nothing may."""

    def waited(*_: object) -> None:
        raise AssertionError("a write waited for the reader")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("impatient")
class OutletTests:
    """Descriptors of every kind."""

    @pytest.mark.parametrize(("kind", "own"), [("pipe", OWN), ("pipe", NOWHERE), ("terminal", OWN), ("socket", OWN)])
    def test_never_waits(self, kind: str, own: str) -> None:
        """When nobody reads, a write that does not fit is refused, and the descriptor stays in blocking mode."""
        with open_ends(kind) as ends:
            made = outlet(ends.descriptor, own)
            written = filled(made)
            assert written > 3000
            assert os.get_blocking(ends.descriptor)
            made.close()
            os.fstat(ends.descriptor)

    @pytest.mark.parametrize(("kind", "own"), [("pipe", OWN), ("pipe", NOWHERE), ("terminal", OWN), ("socket", OWN)])
    def test_goes_on(self, kind: str, own: str) -> None:
        """When somebody reads again, writes fit again, and nothing is missing in between."""
        with open_ends(kind) as ends:
            made = outlet(ends.descriptor, own)
            written = filled(made)
            os.set_blocking(ends.reader, False)
            read = emptied(ends.reader)
            made.wait(5)
            assert made.write(LINE) == len(LINE)
            made.close()
            assert read.replace(b"\r", b"") == (LINE * 1000)[:written]

    @pytest.mark.parametrize("own", [OWN, NOWHERE])
    def test_long_lines(self, own: str) -> None:
        """A line longer than a pipe takes at once passes in parts, whole and in order."""
        with open_ends("pipe") as ends:
            made, line = outlet(ends.descriptor, own), bytes(range(256)) * 1000
            read: list[bytes] = []
            reading = threading.Thread(target=lambda: read.extend(_read(ends.reader, len(line))))
            reading.start()
            rest = line
            while rest:
                try:
                    rest = rest[made.write(rest) :]
                except BlockingIOError:
                    made.wait(5)
            reading.join()
            made.close()
            assert b"".join(read) == line

    def test_a_file(self, tmp_path: Path) -> None:
        """A file takes everything, at its end."""
        path = tmp_path / "log"
        path.write_bytes(b"before\n")
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        made = outlet(descriptor)
        assert made.write(LINE) == len(LINE)
        made.close()
        os.close(descriptor)
        assert path.read_bytes() == b"before\n" + LINE

    def test_not_another_file(self, tmp_path: Path) -> None:
        """Where the system's list of open files shows something else, that is not written to."""
        other = tmp_path / "other"
        other.touch()
        with open_ends("pipe") as ends:
            made = outlet(ends.descriptor, str(other).replace("{", "{{"))
            made.write(LINE)
            assert os.read(ends.reader, 1000) == LINE
            assert other.read_bytes() == b""

    @pytest.mark.parametrize("own", [OWN, NOWHERE])
    def test_nobody_reads_any_more(self, own: str) -> None:
        """A pipe whose reader is gone is an error, no wait."""
        reader, descriptor = os.pipe()
        made = outlet(descriptor, own)
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            made.write(LINE)
        made.close()
        os.close(descriptor)

    def test_closed(self) -> None:
        """A descriptor that is not open is an error of the write, not of the start."""
        descriptor = os.dup(0)
        os.close(descriptor)
        made = outlet(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            made.write(LINE)

    def test_wait_is_short(self) -> None:
        """Who waits for a reader that does not read goes on when the time is over."""
        with open_ends("pipe") as ends:
            made = outlet(ends.descriptor)
            filled(made)
            made.wait(0.01)
            with pytest.raises(BlockingIOError):
                made.write(LINE)
            made.close()


def _read(reader: int, size: int) -> Iterator[bytes]:
    while size:
        part = os.read(reader, size)
        size -= len(part)
        yield part
