"""Replaces a file in one step: a process that is killed at any moment leaves the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from attrs import frozen

_OWNER_ONLY = 0o600
_ANY_WRITE = 0o222


class ReadOnly(OSError):
    """A file or folder that its owner has protected against changes, which even root should respect."""


@frozen
class StagedFile:
    """New content beside a file, on the disk, that takes its place at `commit`.

    :ivar path: the file itself, no symbolic link to it.
    :ivar new: the new content.
    """

    path: Path
    new: Path

    def commit(self) -> None:
        """Put the new content in the file's place. Raises `OSError`."""
        self.new.replace(self.path)
        _sync(self.path.parent)

    def discard(self) -> None:
        """Forget the new content."""
        self.new.unlink(missing_ok=True)


def read(path: Path) -> bytes | None:
    """Return the content of a file, or None if there is none. Raises `OSError`, also for what is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(22, "not a file")
        return path.read_bytes()
    except FileNotFoundError:
        return None


def stage(path: Path, content: bytes) -> StagedFile:
    """Return new content for a file, with the mode and, where permitted, the owner of the old one; else mode 0600.

    The folder must be there; a symbolic link is followed. Raises `ReadOnly`, and another `OSError` if nothing can be
    written.
    """
    path = path.resolve()
    old = path.stat() if path.exists() else None
    _refuse_protected(path.parent if old is None else path)
    _refuse_protected(path.parent)
    _sweep(path)
    descriptor, name = tempfile.mkstemp(prefix=_unfinished(path), dir=path.parent)
    staged = StagedFile(path, Path(name))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if old is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), _OWNER_ONLY if old is None else stat.S_IMODE(old.st_mode))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        staged.discard()
        raise
    return staged


def make_folders(folder: Path) -> tuple[Path, ...]:
    """Create a folder where there is none, and return those that were created, the outer ones first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if missing:
        _refuse_protected(folder)
    for each in reversed(missing):
        each.mkdir(mode=0o700)
    return tuple(reversed(missing))


def _refuse_protected(path: Path) -> None:
    if not path.stat().st_mode & _ANY_WRITE or not os.access(path, os.W_OK):
        raise ReadOnly(13, "read-only", str(path))


def _sweep(path: Path) -> None:
    """Remove what killed processes have left beside a file. A process that is about to commit fails by it."""
    for entry in os.scandir(path.parent):
        if entry.name.startswith(_unfinished(path)):
            Path(entry.path).unlink(missing_ok=True)


def _unfinished(path: Path) -> str:
    return f".{path.name}.claude-bridge-"


def _sync(folder: Path) -> None:
    """Have the disk keep a rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
