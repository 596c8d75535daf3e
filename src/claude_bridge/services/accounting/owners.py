"""Whose a session is: what its figures may be shown to.

A client that has a key of the bridge is known by the key's name. Where the client's own credential is forwarded it is
known by a fingerprint, an HMAC-SHA256 of the credential: it says nothing about the credential to whoever has not the
key of the HMAC, which is random and stays in the state directory, so that a fingerprint is the same after a restart.
Where clients cannot be told apart, all are one owner, "".

Fingerprints are made anew for each request: what remembers them would hold clients' credentials, or hashes without a
key, for longer than the requests. The HMAC that has read its key is kept and copied, which takes half the time.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Final

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.config.secret import Secret
from claude_bridge.core.ids import RandomBytes
from claude_bridge.services.knowledge import shared_file

FILE: Final = "session-owners.key"
"""The name of the file in the state directory."""

KEY_BYTES: Final = 32

_LOCK_SECONDS: Final = 0.2
"""How long another process that begins at the same time is waited for."""

_log = Logger()


@define(eq=False, kw_only=True)
class Owners:
    """Makes the names of owners.

    :param directory: the state directory; None for a key that ends with the process.
    """

    _directory: str | None
    _random_bytes: RandomBytes = os.urandom
    _hmac: hmac.HMAC | None = field(default=None, init=False, repr=False)  # of nothing, as yet

    def of_key(self, name: str) -> str:
        """Return the owner that a client's key of the bridge stands for, by the key's name."""
        return f"key:{name}"

    def of_credential(self, credential: Secret | None) -> str:
        """Return the owner that a client's own credential stands for; "" without one."""
        if credential is None:
            return ""
        if self._hmac is None:
            self._hmac = hmac.new(self._kept_key(), digestmod="sha256")
        fingerprint = self._hmac.copy()
        fingerprint.update(credential.reveal().encode("utf-8", "surrogatepass"))
        return fingerprint.hexdigest()

    def _kept_key(self) -> bytes:
        """Return the key from its file, which is made if it is not there; else one that nobody keeps."""
        if self._directory is None:
            return self._random_bytes(KEY_BYTES)
        path = Path(self._directory) / FILE
        try:
            return self._read(path) or self._made(path)
        except OSError as error:
            _log.warn(
                "{path} cannot be used: {reason}; after a restart clients do not see the earlier figures of their "
                "sessions",
                event="session-owners",
                path=str(path),
                reason=error.strerror or type(error).__name__,
            )
            return self._random_bytes(KEY_BYTES)

    def _made(self, path: Path) -> bytes:
        """Write a new key, unless another process has just done so; return the one that is there then."""
        new = self._random_bytes(KEY_BYTES)
        shared_file.change(path, lambda found: found if len(found) == KEY_BYTES else new, _LOCK_SECONDS)
        return self._read(path) or new

    def _read(self, path: Path) -> bytes | None:
        """Return the key in a file; None if there is none, or something else."""
        try:
            found = shared_file.read(path)
        except FileNotFoundError:
            return None
        return found if len(found) == KEY_BYTES else None
