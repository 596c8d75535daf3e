"""``claude-bridge statusline``: one line for Claude Code's status line, in a quarter of a second at most.

The client runs it after every message, with what it knows of the session as JSON on standard input. Neither attrs nor
typing nor http.client is imported here or by what is imported: starting Python and loading them would take longer than
all the rest.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from json import JSONDecoder

from claude_bridge.client import status_request, status_text

SECONDS = 0.2
"""For the input and the bridge's answer together; the rest of a quarter of a second is for starting Python."""

SLOW = "bridge slow"

USAGE = """\
claude-bridge statusline is for Claude Code, which gives it the session as JSON on standard input. `claude-bridge setup`
and `claude-bridge launch` install it; by hand it is, in Claude Code's settings:

    "statusLine": {"type": "command", "command": "claude-bridge statusline"}
"""


def main() -> int:
    """Print the line and return the exit status, which is 0 whatever went wrong, or the client shows nothing."""
    if sys.stdin is None or sys.stdin.isatty():
        sys.stderr.write(USAGE)
        return 2
    try:
        line = status_line(sys.stdin.buffer.fileno(), os.environ, SECONDS)
        sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
        sys.stdout.flush()
    except Exception:  # noqa: BLE001, S110 - the status line is no place for a traceback
        pass
    return 0


def status_line(source: int, environ: Mapping[str, str], seconds: float) -> str:
    """Return the line for the session that a file descriptor describes, after ``seconds`` at the latest."""
    asking = _Asking(source, environ)
    worker = threading.Thread(target=asking.run, daemon=True)  # looking up a name cannot be interrupted otherwise
    worker.start()
    worker.join(seconds)
    trouble = SLOW if worker.is_alive() else asking.trouble
    look = status_text.Look(width=_width(environ), coloured=_is_coloured(environ))
    return status_text.line(asking.session, asking.figures, trouble, look)


class _Asking:
    """What was found out so far.

    :ivar session: what the client says of the session; empty if that was no JSON object.
    :ivar figures: what the bridge says of it.
    :ivar trouble: why the bridge says nothing, for the line; "" if there is no reason to worry.
    """

    def __init__(self, source: int, environ: Mapping[str, str]) -> None:
        self._source, self._environ = source, environ
        self.session: dict[str, object] = {}
        self.figures: dict[str, object] = {}
        self.trouble = ""

    def run(self) -> None:
        """Read the session, then ask the bridge."""
        try:
            self.session = _session(self._source)
            name = self.session.get("session_id")
            if isinstance(name, str) and name:
                answered = status_text.has_answers(self.session)
                self.figures = status_request.ask(self._environ, name, has_answers=answered)
        except status_request.Unanswered as error:
            self.trouble = str(error)
        except Exception:  # noqa: BLE001 - as in `main`
            self.trouble = status_request.NOT_UNDERSTOOD


def _session(source: int) -> dict[str, object]:
    """Return what the client says of the session."""
    with open(source, "rb", closefd=False) as file:
        content = file.read()
    try:
        found = JSONDecoder().decode(content.decode("utf-8", "replace").strip())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _width(environ: Mapping[str, str]) -> int | None:
    """Return the columns of the client's terminal; None if it does not say."""
    text = environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else None


def _is_coloured(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


if __name__ == "__main__":
    sys.exit(main())
