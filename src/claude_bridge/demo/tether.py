"""twistd as a child that ends with its parent: SIGTERM to itself as soon as standard input closes.

Started as ``python -m claude_bridge.demo.tether`` with twistd's own arguments.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from twisted.scripts.twistd import run


def stop_at_end_of_input() -> None:
    """Wait for whoever started this to close the pipe, or to die, and then stop as an operator would."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run twistd."""
    threading.Thread(target=stop_at_end_of_input, name="tether", daemon=True).start()
    run()


if __name__ == "__main__":
    main()
