"""Requests to a running bridge on this machine by its control socket; without Twisted, so that commands start fast."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from claude_bridge.config.directories import CONTROL_SOCKET, SYSTEM_RUNTIME, control_directories, state_directory
from claude_bridge.config.problems import EXIT_CONFIG
from claude_bridge.unix_sockets import connected, is_alive

EXIT_UNAVAILABLE: Final = 69
"""``EX_UNAVAILABLE`` of sysexits.h: no bridge is running."""

SECONDS: Final = 60.0
"""For the whole answer: files on a slow disk are read for it."""

SET_UP_AGAIN: Final = (
    "Claude Code's settings still have models and windows of the earlier configuration: run `claude-bridge setup` "
    "again, and restart Claude Code"
)

LOOK_AT_BACKENDS: Final = (
    "the bridge's log says whether the changed backends are up, and so does `claude-bridge check-config --online`"
)

_TOLD_TO_CLIENT: Final = ("[model:", "[route:")
"""Beginnings of the sections from which `claude-bridge setup` takes what it writes."""

_OK: Final = 200
_WRONG: Final = 422


class NoBridge(Exception):
    """No bridge is running, or more than one; the message says what to do."""


class UnixConnection(HTTPConnection):
    """A connection to a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect; raises `OSError`."""
        self.sock = connected(Path(self._path), SECONDS)


@frozen
class ControlAnswer:
    """The response of a bridge."""

    status: int
    body: Any

    def strings(self, name: str) -> list[str]:
        """Return a list of texts in the body; an empty one if there is none."""
        found = self.body.get(name) if isinstance(self.body, dict) else None
        return [str(each) for each in found] if isinstance(found, list) else []


def ask(path: str, method: str, target: str) -> ControlAnswer:
    """Return the response of the bridge whose socket is at ``path``. Raise `NoBridge`."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return ControlAnswer(answer.status, json.JSONDecoder().decode(answer.read().decode()))
    except PermissionError:
        raise NoBridge(f"{path} belongs to another user: ask as that user, or with sudo") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoBridge(f"no bridge answers at {path}: {error}") from error
    finally:
        connection.close()


def find(environ: Mapping[str, str], system: str = SYSTEM_RUNTIME) -> str:
    """Return the socket of the bridge that runs here. Raises `NoBridge` where there is none, or more than one.

    It is where the daemon puts it by this environment, else where the system's service has it.
    """
    places = list(dict.fromkeys((*control_directories(environ, state_directory(None, environ)), system)))
    found = [path for place in places for path in _sockets(place)]
    if not found:
        looked = ", ".join(places)
        raise NoBridge(
            f"no running bridge found in {looked}: start one, or name its socket with --socket; its log has the path "
            "in the line `control socket`"
        )
    if len(found) > 1:
        raise NoBridge(f"several bridges run here, choose one with --socket: {', '.join(found)}")
    return found[0]


def reload(path: str, *, is_set_up: bool = False) -> tuple[int, list[str], list[str]]:
    """Have the bridge reload; return exit status, and the lines for standard output and standard error.

    :param is_set_up: whether Claude Code's settings have what `claude-bridge setup` wrote.
    """
    answer = ask(path, "POST", "/reload")
    if answer.status == _WRONG:
        told = [*answer.strings("problems"), "not reloaded, the configuration in force stays"]
        return EXIT_CONFIG, [], told
    if answer.status != _OK:
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        return EXIT_UNAVAILABLE, [], [f"not reloaded: {error or answer.status}"]
    changed, restart = answer.strings("changed"), answer.strings("needs_restart")
    lines = [f"reloaded: {answer.body.get('source', '')}", *_listed("changed", changed or ["nothing"])]
    warnings = [f"warning: {each}" for each in answer.strings("warnings")]
    lines += _listed("needs a restart", restart)
    if any(each.startswith("[backend:") and not each.endswith("] removed") for each in changed):
        lines.append(LOOK_AT_BACKENDS)
    if is_set_up and any(each.startswith(_TOLD_TO_CLIENT) for each in changed):
        lines.append(SET_UP_AGAIN)
    return 0, lines, warnings


def _listed(title: str, names: Sequence[str]) -> Iterator[str]:
    yield from (f"{title}: {name}" for name in names)


def _sockets(directory: str) -> Iterator[str]:
    """Yield the sockets in a directory on which a bridge listens, or to which we may not connect."""
    place = Path(directory)
    try:
        names = [place / CONTROL_SOCKET.format(""), *sorted(place.glob(CONTROL_SOCKET.format("-*")))]
        yield from (str(path) for path in names if path.is_socket() and is_alive(path))
    except PermissionError:
        yield str(place / CONTROL_SOCKET.format(""))
