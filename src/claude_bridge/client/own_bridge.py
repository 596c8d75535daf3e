"""A bridge that a command starts for itself: on a free loopback port, with nothing kept, and gone when the command is.

It is a child process (`claude_bridge.children`), so even a command that is killed leaves none behind.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Final

from claude_bridge import children
from claude_bridge.children import Child
from claude_bridge.core import strict_json

NAME: Final = "the bridge"

ADDRESS: Final = "127.0.0.1:0"

OVERRIDES: Final = frozenset(
    {"BACKEND_URL", "HOST_PORT", "BACKEND_TIMEOUT_SECS", "ENABLE_CIRCUIT_BREAKER", "LOG_LEVEL"}
)
"""The variables that win over a file: of no use to a bridge whose file was written for it."""


def command(config: str | None) -> list[str]:
    """Return the command of a bridge with the configuration file at this path; None: that of the environment."""
    # -P keeps the working directory, and whatever lies there, off the module path.
    program = [sys.executable, "-P", "-m", "claude_bridge.daemon.tether", "--nodaemon", "--pidfile="]
    file = [] if config is None else ["--config", config]
    return [*program, "claude-bridge", *file, "--listen", ADDRESS, "--state-dir", "none", "--log-format", "json"]


def start(config: str | None, environ: Mapping[str, str], any_ended: threading.Event | None = None) -> Child:
    """Start a bridge; `Child.address` waits until it listens. Raises `ExpectedFailure`."""
    return children.start(NAME, command(config), environ, listening, any_ended or threading.Event())


def listening(line: str) -> str | None:
    """Return the URL out of the bridge's log line that says where it listens."""
    try:
        fields = strict_json.decode(line.encode())
    except strict_json.JsonError:
        return None
    match fields:
        case {"event": "listening", "host": str(host), "port": int(port)}:
            return f"http://{host}:{port}"
        case _:
            return None
