"""A file descriptor to write to without ever waiting for its reader, whatever mode it is in and whoever shares it.

``O_NONBLOCK`` cannot be set on standard error: the flag belongs to the open file, which the shell, ``tee`` or another
daemon holds too. So each kind of descriptor is written to in its own way:

- A pipe or a terminal is opened once more through ``/proc``: the same pipe, but an open file of our own, with the flag.
- A socket, which is what systemd gives, is sent to with ``MSG_DONTWAIT``.
- A pipe that may not be opened again (another user made it, as in a container) is asked with ``poll`` before each
  write of at most ``PIPE_BUF`` bytes, which then never waits; only a second writer, at that very moment, could make it.
- A terminal that may not be opened again, after ``su``, is asked with ``poll`` too. That sees one that is stopped with
  Ctrl-S, but not every one whose last few bytes of room are less than a line.
- A file is simply written to: nobody reads it, the disk takes it or does not.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable
from typing import Final

from attrs import define

Write = Callable[[bytes], int]
"""Writes as many bytes as fit now and returns their number; raises `BlockingIOError` if none fit, or `OSError`."""

OWN: Final = "/proc/self/fd/{}"
"""The path by which Linux lets a process open its open files a second time."""


@define(eq=False)
class Outlet:
    """A destination for bytes.

    :ivar descriptor: the descriptor that `wait` polls.
    """

    descriptor: int
    _write: Write
    _close: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> int:
        """Write what fits now and return the number of bytes. Raise `BlockingIOError` if none fit, or `OSError`."""
        return self._write(data)

    def wait(self, seconds: float) -> None:
        """Wait until something fits, for ``seconds`` at most."""
        asked = select.poll()
        asked.register(self.descriptor, select.POLLOUT)
        asked.poll(seconds * 1000)

    def close(self) -> None:
        """Close what was opened here; a descriptor that was passed in stays open."""
        self._close()


def outlet(descriptor: int, own: str = OWN) -> Outlet:
    """Return the outlet for ``descriptor``, whatever it is; one that is closed fails when it is written to."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        mode = 0
    if stat.S_ISSOCK(mode):
        return _to_socket(descriptor)
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        return _opened_again(descriptor, own.format(descriptor)) or Outlet(descriptor, _polled(descriptor))
    return Outlet(descriptor, lambda data: os.write(descriptor, data))


def _to_socket(descriptor: int) -> Outlet:
    connection = socket.socket(fileno=os.dup(descriptor))
    flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
    return Outlet(connection.fileno(), lambda data: connection.send(data, flags), connection.close)


def _opened_again(descriptor: int, path: str) -> Outlet | None:
    """Open the same pipe or terminal for ourselves, or return None where that is not allowed."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    if not os.path.samestat(os.fstat(opened), os.fstat(descriptor)):  # a /proc that is no real one
        os.close(opened)
        return None
    return Outlet(opened, lambda data: os.write(opened, data), lambda: os.close(opened))


def _polled(descriptor: int) -> Write:
    """Ask before each write."""
    asked = select.poll()
    asked.register(descriptor, select.POLLOUT)

    def write(data: bytes) -> int:
        if not asked.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data[: select.PIPE_BUF])

    return write
