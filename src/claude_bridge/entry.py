"""The ``claude-bridge`` program: the command line, and a short way to the status line.

Claude Code runs `claude-bridge statusline` after every message, so that command loads nothing of the others.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that the program's arguments name and return the exit status."""
    if sys.argv[1:] == ["statusline"]:
        from claude_bridge.client import status_line  # noqa: PLC0415 - the other commands do not need it

        return status_line.main()
    from claude_bridge import cli  # noqa: PLC0415 - takes a quarter of a second, too long for the status line

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
