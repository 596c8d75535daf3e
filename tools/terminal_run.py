"""Runs a command at a pseudo-terminal and notes what it prints, and when."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

COLUMNS: Final = 110
ROWS: Final = 50

_READ_BYTES: Final = 65_536


@frozen
class Chunk:
    """What came in one piece.

    :ivar seconds: since the command was started.
    """

    seconds: float
    text: str


def run(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> list[Chunk]:
    """Return what a command prints at a terminal until it ends. Raises `CalledProcessError` if it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    started, chunks = time.monotonic(), []
    with subprocess.Popen(  # noqa: S603 - what the caller records
        command, env=dict(environ), cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while data := _read(ours):
            chunks.append(Chunk(round(time.monotonic() - started, 2), decode(data)))
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, "".join(chunk.text for chunk in chunks))
    return chunks


def _read(terminal: int) -> bytes:
    """Return the next bytes; none where the other side is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, _READ_BYTES)
    except OSError:
        return b""
