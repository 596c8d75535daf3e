"""A secret that cannot be printed by accident, and the sources of secrets.

That is the value itself, ``file:/path`` or ``credential:NAME``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias, final

from attrs import field, frozen

Read: TypeAlias = Callable[[str], bytes]
"""Returns the content of the file at a path; raises `OSError`."""

MAX_SECRET_CHARACTERS = 8192
"""Bytes of a secret: HTTP servers commonly refuse a longer header line."""

HIDDEN = "***"
"""The placeholder for a secret in dumps."""

_SENDABLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[A-Za-z0-9_.@:-]+")


Find: TypeAlias = Callable[[str, str], str | None]
"""Returns the absolute path of the program of a name, or at a path, searched along ``$PATH``; None if there is none."""


def find_program(name: str, path: str) -> str | None:
    """Return the absolute path of a real program that may be executed, or None."""
    found = shutil.which(name, path=path)
    return found if found is not None and PurePosixPath(found).is_absolute() else None


@final
@frozen(repr=False, eq=False)
class Secret:
    """A credential. ``repr``, ``str`` and formatting show nothing; `reveal` is the only way in.

    :param source: what makes credentials that stand for the same account one after the other; they have one
        `fingerprint`. None for a credential that stands for itself.
    """

    _value: str = field(converter=str)
    _source: str | None = None

    def reveal(self) -> str:
        """Return the secret itself: to send it, to compare it, or to hide it in texts."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value.encode(), candidate.encode())

    def fingerprint(self) -> str:
        """Return a short name that distinguishes credentials and reveals none (a cache key, not for logs)."""
        own = self._value if self._source is None else f"source\0{self._source}"
        return hashlib.sha256(b"claude-bridge\0" + own.encode()).hexdigest()[:16]

    def __bool__(self) -> bool:
        """Return whether the secret is not empty."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Equal when the hidden values are."""
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        """Hash by value, salted by Python itself."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Return nothing: a log or a traceback shows no part of it."""
        return ""


class _Unset(dict[str, str]):
    """Variables of which every one is set: one that is missing has its reference as its value."""

    def __contains__(self, _name: object) -> bool:
        return True

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # `expand` asks for nothing else
        return super().get(name) or default or f"${{{name}}}"


@frozen
class SecretSource:
    """Reads secrets; ``credential:`` refers to a file in ``$CREDENTIALS_DIRECTORY`` (systemd).

    :ivar resolved: false for somebody who needs to know only that there is a secret: the files, variables and programs
        that have it may then be out of reach, and a reference counts as the secret.
    """

    environ: Mapping[str, str]
    read: Read
    _find: Find = find_program
    resolved: bool = field(default=True, kw_only=True)

    def variables(self, *, secret: bool) -> Mapping[str, str]:
        """Return the environment for a value that is, or may hold, a secret, or for any other."""
        return self.environ if self.resolved or not secret else _Unset(self.environ)

    def find(self, program: str) -> str | None:
        """Return the absolute path of a program, given by its name or its path; None if it cannot be executed."""
        found = self._find(program, self.environ.get("PATH", os.defpath))
        return program if found is None and not self.resolved else found

    def load(self, text: str) -> Secret:
        """Return the secret that ``text`` is or names. Raises `ValueError`, never with the secret in it."""
        if text.startswith("file:"):
            found = self._from_file(text.removeprefix("file:"))
        elif text.startswith("credential:"):
            found = self._from_credential(text.removeprefix("credential:"))
        else:
            found = text
        return Secret(checked(found))

    def _from_file(self, path: str) -> str:
        if not PurePosixPath(path).is_absolute():
            raise ValueError("file: needs an absolute path")
        if not self.resolved:
            return f"file:{path}"
        try:
            return self.read(path).decode("ascii").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror or type(error).__name__}") from error
        except UnicodeDecodeError:
            raise ValueError(f"{path} does not contain a key: not plain ASCII") from None

    def _from_credential(self, name: str) -> str:
        folder = self.environ.get("CREDENTIALS_DIRECTORY")
        if not folder and self.resolved:
            raise ValueError("credential: needs $CREDENTIALS_DIRECTORY, which systemd sets with LoadCredential=")
        if not _NAME.fullmatch(name) or name in {".", ".."}:
            raise ValueError("credential: needs the plain name that LoadCredential= gives")
        return self._from_file(str(PurePosixPath(folder or "/") / name))


def hash_of(key: str) -> str:
    """Return what a configuration may have instead of a client's key: ``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def checked(found: str) -> str:
    """Return ``found`` if it can be sent as a credential. Raises `ValueError`, never with the secret in it."""
    if not found:
        raise ValueError("the secret is empty")
    if found == HIDDEN:
        raise ValueError(f"{HIDDEN} is what a dump shows instead of the secret: put the secret back")
    if len(found) > MAX_SECRET_CHARACTERS:
        raise ValueError(f"the secret is longer than {MAX_SECRET_CHARACTERS:,} characters")
    if not _SENDABLE.fullmatch(found):
        raise ValueError("the secret contains a space or a character that no HTTP header can carry")
    return found
