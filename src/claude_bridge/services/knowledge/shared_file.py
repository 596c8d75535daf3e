"""A small file that several processes of one user may share: replaced atomically, by one process after the other."""

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
"""Bytes that are read: several times what a thousand models take."""

LOCK_SECONDS: Final = 2.0
"""How long to wait for the lock: each process needs some milliseconds, and a stop waits five seconds for the disk."""

LOCK_PAUSE: Final = 0.02
"""Seconds between two attempts to lock. Waiting in the kernel would never end if the other process is suspended."""

STALE_SECONDS: Final = 60.0
"""Age from which a temporary file was left by a process that was killed. Whoever writes one holds the lock; only on
file systems without locks, or beside version 0.1.0, could a younger one still be in use."""


def prepare(directory: Path) -> None:
    """Create the directory if needed, for its owner only. Raise `OSError` if nothing can be written."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied")


def read(path: Path) -> bytes:
    """Return the content of a file, up to `MAX_FILE_BYTES`: a truncated one is invalid. Raise `OSError`."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(22, "not a file")  # reading a pipe would block the start
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)


def change(path: Path, changed: Callable[[bytes], bytes], patience: float = LOCK_SECONDS) -> None:
    """Write what ``changed`` returns for the file's content, which is ``b""`` if there is no file. Raise `OSError`.

    No other process changes the file meanwhile, unless one holds the lock for more than ``patience`` seconds, or the
    file system has no locks.
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
    """Replace a file's content atomically, whatever happens meanwhile. Raise `OSError`."""
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
    """Remove temporary files that killed processes have left; return how many there were.

    ``now`` is in Unix seconds. Files that may still be in use are left alone. Raise `OSError`.
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
    """Lock a directory, which needs no lock file; yield whether the lock was obtained.

    The lock ends with the process that holds it, however that ends.
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
