"""UNIX sockets by their paths, for who listens and who connects: no path is too long, and a dead one is known."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MAX_ADDRESS_BYTES: Final = 107
"""What the system's structure of an address has room for."""

PROBE_SECONDS: Final = 1.0
"""How long a socket may take to let us in: on one machine that is a matter of microseconds."""


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Yield an address that leads to ``path``: that itself, or where it is too long a short way to its folder.

    That way is good as long as the context is open. Raises `OSError`.
    """
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connected(path: Path, seconds: float) -> socket.socket:
    """Return a socket that is connected to ``path``, with that time limit. Raises `OSError`."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(seconds)
    try:
        with address_of(path) as address:
            made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def is_alive(path: Path) -> bool:
    """Return whether somebody listens at ``path``; also where that cannot be told, as of another user's socket."""
    try:
        connected(path, PROBE_SECONDS).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True
    return True
