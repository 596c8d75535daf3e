"""The ``claude-bridge`` command: everything except the daemon itself, which is ``twistd claude-bridge``.

`command_line` reads what was typed, `options` has the parsers, and the commands are in three modules by what they
are about: Claude Code, the configuration, and a bridge that runs.
"""

from claude_bridge.cli.command_line import main
from claude_bridge.cli.surroundings import Surroundings

__all__ = ["Surroundings", "main"]
