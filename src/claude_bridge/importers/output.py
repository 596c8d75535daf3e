"""Writes the result: a new file for its owner alone, whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from attrs import frozen


@frozen
class NotWritten(Exception):
    """The file could not be written; ``str()`` says why."""

    reason: str

    def __str__(self) -> str:
        """Return it."""
        return self.reason


_IS_THERE: Final = "{} already exists: name another file, or replace it with --force"


def refuse_unfit(path: Path, source: str, *, force: bool) -> None:
    """Raise `NotWritten` if a result must not be written to ``path``.

    That is the case for the source itself, for what is no file, and unless ``force`` for all that is there.
    """
    try:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise NotWritten(f"{path} is the file to import, and would be lost: name another file")
        if force and path.exists() and not path.is_file():
            raise NotWritten(f"{path} is no file that could be replaced")
        if not force and (path.exists() or path.is_symlink()):
            raise NotWritten(_IS_THERE.format(path))
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write ``text`` to ``path`` with mode 0600. Raises `NotWritten`; then the path is as it was.

    ``force``: replace a file that is there; a symbolic link is followed then.
    """
    try:
        path = _target(path) if force else path
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            new.replace(path)
        else:
            os.link(new, path)  # unlike a rename, fails if it is there
    except FileExistsError as error:
        raise NotWritten(_IS_THERE.format(path)) from error
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error
    finally:
        new.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """Return what a symbolic link leads to, which need not exist; raise `NotWritten` if it leads in a circle."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotWritten(f"{path} cannot be written: its symbolic links lead in a circle") from None
    return path.resolve()
