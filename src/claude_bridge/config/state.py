"""Where the daemon keeps what should outlive it: as configured, else where the system expects it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from claude_bridge.config.fields import NO_DIRECTORY

_NAME: Final = "claude-bridge"


def state_directory(configured: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the directory, or None where nothing is to be kept or nothing says where.

    ``configured``: ``[server] state_dir``. systemd names the directories of a unit's ``StateDirectory=`` in
    ``$STATE_DIRECTORY``, separated by colons, the first one is ours. A relative ``$XDG_STATE_HOME`` is to be ignored,
    says the XDG specification.
    """
    if configured is not None:
        return None if configured == NO_DIRECTORY else configured
    given = next((path for path in environ.get("STATE_DIRECTORY", "").split(":") if path.startswith("/")), None)
    if given is not None:
        return given
    state, home = PurePosixPath(environ.get("XDG_STATE_HOME", "")), PurePosixPath(environ.get("HOME", ""))
    if state.is_absolute():
        return str(state / _NAME)
    return str(home / ".local" / "state" / _NAME) if home.is_absolute() else None
