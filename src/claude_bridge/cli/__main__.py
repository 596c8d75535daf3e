"""``python -m claude_bridge.cli``, the same as ``claude-bridge``."""

import sys

from claude_bridge.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
