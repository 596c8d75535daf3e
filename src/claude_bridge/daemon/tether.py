"""twistd as a child that ends with its parent: SIGTERM to itself as soon as standard input closes.

A bridge that waits for answers under way gets a second one, which ends it at once.

Started as ``python -m claude_bridge.daemon.tether`` with twistd's own arguments.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

from twisted.scripts.twistd import run

GRACE_SECONDS: Final = 5.0
"""From the first signal to the second."""


def stop_at_end_of_input() -> None:
    """Wait for whoever started this to close the pipe, or to die, and then stop as an operator would."""
    while os.read(0, 1024):  # not `sys.stdin`, whose lock a thread that ends with the process would still hold
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run twistd."""
    threading.Thread(target=stop_at_end_of_input, name="tether", daemon=True).start()
    run()


if __name__ == "__main__":
    main()
