"""The ``claude-bridge`` command: everything except the daemon itself, which is ``twistd claude-bridge``."""

from claude_bridge.cli.command_line import Surroundings, main

__all__ = ["Surroundings", "main"]
