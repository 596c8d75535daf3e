"""The member ``statusLine`` of Claude Code's settings, which runs `claude-bridge statusline`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

STATUS_LINE: Final = "statusLine"

REFRESH_SECONDS: Final = 10
"""The client runs the command after each message, and this often besides: budgets and backends change without one."""

KEPT: Final = (
    "your own status line stays; to have the bridge's figures in it, let it run `claude-bridge statusline` with the "
    "input that it gets itself"
)

_PROGRAM: Final = "claude-bridge"
_MODULE: Final = "claude_bridge.entry"
_COMMAND: Final = "statusline"


def command(program: str) -> str:
    """Return the command of the status line, which works in any folder and with any ``PATH``.

    :param program: the program that runs now, ``sys.argv[0]``; if that is not the installed one, Python is named.
    """
    path = Path(program).absolute()
    if path.name == _PROGRAM and os.access(path, os.X_OK):
        return shlex.join([str(path), _COMMAND])
    # -P keeps the working directory, and whatever lies there, off the module path.
    return shlex.join([sys.executable, "-P", "-m", _MODULE, _COMMAND])


def setting(program: str) -> dict[str, Any]:
    """Return the value of ``statusLine``; ``program`` as for `command`."""
    return {"type": "command", "command": command(program), "refreshInterval": REFRESH_SECONDS}


def is_ours(value: object) -> bool:
    """Return whether a value of ``statusLine`` runs our command, and nothing else."""
    try:
        words = shlex.split(str(value["command"])) if isinstance(value, dict) else []
    except (LookupError, ValueError):
        return False
    if len(words) < 2 or words[-1] != _COMMAND:  # noqa: PLR2004 - a program and its argument
        return False
    return (len(words) == 2 and Path(words[0]).name == _PROGRAM) or words[-3:-1] == ["-m", _MODULE]  # noqa: PLR2004


def has_own(settings: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether some settings have a status line that is the user's."""
    lines = [each[STATUS_LINE] for each in settings if each.get(STATUS_LINE) is not None]
    return any(not is_ours(each) for each in lines)
