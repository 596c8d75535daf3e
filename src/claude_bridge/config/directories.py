"""The directories of the daemon's files: as configured, else as systemd and the XDG specification say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from claude_bridge.config.fields import NO_DIRECTORY

CONFIG_FILE: Final = "claude-bridge.ini"

CONTROL_SOCKET: Final = "control{}.sock"
"""Name of the control socket; ``-PORT`` is inserted if another bridge has the plain name."""

SYSTEM_RUNTIME: Final = "/run/claude-bridge"
"""``RuntimeDirectory=`` of the system's service, where it has its control socket."""

SYSTEM_STATE: Final = "/var/lib/claude-bridge"
"""``StateDirectory=`` of the system's service."""

LEDGER: Final = "ledger.sqlite"
"""Name of the file with the accounts."""

_NAME: Final = "claude-bridge"


def config_files(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths where the configuration file may be, in the order in which they are tried."""
    folders = [folder for folder in environ.get("CONFIGURATION_DIRECTORY", "").split(":") if folder]
    own = _of_user(environ, "XDG_CONFIG_HOME", ".config")
    if own is not None:
        folders.append(own)
    folders.append(f"/etc/{_NAME}")
    yield from (str(PurePosixPath(folder) / CONFIG_FILE) for folder in folders)


def state_directory(configured: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the directory for what outlives the daemon, or None if nothing is to be kept, or no directory is known.

    ``configured``: ``[server] state_dir``. systemd names the directories of a unit's ``StateDirectory=`` in
    ``$STATE_DIRECTORY``, separated by colons, the first one is ours.
    """
    if configured is not None:
        return None if configured == NO_DIRECTORY else configured
    given = next((path for path in environ.get("STATE_DIRECTORY", "").split(":") if path.startswith("/")), None)
    return _of_user(environ, "XDG_STATE_HOME", ".local/state") if given is None else given


def ledger_file(*, enabled: bool | None, database: str | None, state: str | None) -> str | None:
    """Return the path of the file with the accounts, or None if none are kept.

    ``enabled`` and ``database`` are those of ``[ledger]``, ``state`` is the state directory, if there is one.
    """
    if enabled is False:
        return None
    if database is not None:
        return database
    return None if state is None else str(PurePosixPath(state) / LEDGER)


def control_directories(environ: Mapping[str, str], state: str | None) -> Iterator[str]:
    """Yield the directories where the control socket may be, in the order in which they are tried.

    systemd names the directories of a unit's ``RuntimeDirectory=`` in ``$RUNTIME_DIRECTORY``, separated by colons, the
    first one is ours; a person who is logged in has ``$XDG_RUNTIME_DIR``. ``state``: the state directory, if there is
    one.
    """
    given = next((path for path in environ.get("RUNTIME_DIRECTORY", "").split(":") if path.startswith("/")), None)
    if given is not None:
        yield given
    runtime = PurePosixPath(environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute():
        yield str(runtime / _NAME)
    if state is not None:
        yield state


def cache_directory(environ: Mapping[str, str]) -> str | None:
    """Return the directory for what can be fetched again, or None if none is known."""
    return _of_user(environ, "XDG_CACHE_HOME", ".cache")


def _of_user(environ: Mapping[str, str], variable: str, below_home: str) -> str | None:
    """Return our directory in one of XDG's, or None without a home. A relative one is ignored, as XDG says."""
    given, home = PurePosixPath(environ.get(variable, "")), PurePosixPath(environ.get("HOME", ""))
    if given.is_absolute():
        return str(given / _NAME)
    return str(home / below_home / _NAME) if home.is_absolute() else None
