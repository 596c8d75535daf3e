"""A small file that several processes of one user may share: replaced whole or not at all, by one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 2 * 1024 * 1024
"""Bytes read: several times what a thousand models take."""

LOCK_SECONDS: Final = 2.0
"""How long to wait for others: each needs some milliseconds, and a stop waits for the disk for five seconds."""

LOCK_PAUSE: Final = 0.02
"""Seconds between two looks at the lock. To wait in the kernel would have no end where the other process is halted."""

STALE_SECONDS: Final = 60.0
"""Age from which half a file was left by a process that was killed. Whoever makes one has the lock; only where there
are no locks, and where version 0.1.0 runs too, one that is younger may be in the making."""


def prepare(directory: Path) -> None:
    """Make the directory if need be, for its owner alone. Raises `OSError` where nothing can be written."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied")


def read(path: Path) -> bytes:
    """Read a file of ours up to `MAX_FILE_BYTES`: cut, it makes no sense. Raises `OSError`, also for no file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(22, "not a file")  # a pipe would hold the start up
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)


def change(path: Path, changed: Callable[[bytes], bytes], patience: float = LOCK_SECONDS) -> None:
    """Write what ``changed`` makes of the file's content, which is ``b""`` where there is none. Raises `OSError`.

    Nobody else changes the file meanwhile; where another process does not let go of it for ``patience`` seconds, or
    where there are no locks, that is left to luck.
    """
    prepare(path.parent)
    with _locked(path.parent, patience):
        try:
            before = read(path)
        except FileNotFoundError:
            before = b""
        after = changed(before)
        if after != before:
            replace(path, after)


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of a file, whole or not at all, whatever happens meanwhile. Raises `OSError`."""
    prepare(path.parent)
    with tempfile.NamedTemporaryFile(prefix=_unfinished(path), dir=path.parent, delete=False) as file:  # mode 0600
        new = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def sweep(path: Path, now: float) -> int:
    """Remove what processes that were killed have left of new versions of the file; return how many there were.

    ``now``: in Unix seconds. What somebody may be writing is left alone. Raises `OSError`.
    """
    ours = re.compile(re.escape(_unfinished(path)) + r"[a-z0-9_]{8}")  # what `tempfile` makes of the prefix
    removed = 0
    with _locked(path.parent, 0) as alone:
        for entry in os.scandir(path.parent) if alone else ():
            if ours.fullmatch(entry.name) and _is_stale(entry.stat(follow_symlinks=False), now):
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed


def _unfinished(path: Path) -> str:
    return f".{path.name}."


def _is_stale(found: os.stat_result, now: float) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and now - found.st_mtime > STALE_SECONDS


@contextlib.contextmanager
def _locked(directory: Path, patience: float) -> Iterator[bool]:
    """Lock a directory, which leaves no file of its own there; yield whether nobody else has it.

    The lock ends with the process that has it, however that ends.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _lock(descriptor, patience)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patience: float) -> bool:
    last = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= last:
                return False
            time.sleep(LOCK_PAUSE)
        except OSError:  # a file system without locks, where nobody has one
            return True
        else:
            return True
