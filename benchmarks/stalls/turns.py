"""The daemon with a stop watch: ``python -m benchmarks.stalls.turns FILE ARGUMENTS-OF-TWISTD``.

Each turn of the reactor that takes `NOTED` seconds of its thread's CPU time and more is a line in the file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import thread_time
from typing import Any

NOTED = 0.002
"""Seconds; a turn of ordinary work takes a tenth of that."""


def watch(reactor: Any, note: Callable[[float], None]) -> None:  # noqa: ANN401 - Twisted's ReactorBase
    """Tell ``note`` the CPU seconds of each turn: from one look for events to the next, whatever was called between."""
    look = reactor.doIteration
    last = thread_time()

    def measured(delay: float) -> None:
        nonlocal last
        now = thread_time()
        note(now - last)
        last = now
        look(delay)

    reactor.doIteration = measured


def main() -> None:
    """Run."""
    from twisted.internet import reactor  # noqa: PLC0415 - a program, which may choose its reactor
    from twisted.scripts.twistd import run  # noqa: PLC0415 - the same

    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(seconds: float) -> None:
        if seconds >= NOTED:
            os.write(file, b"%.6f\n" % seconds)

    watch(reactor, note)
    sys.argv[1:] = sys.argv[2:]
    run()


if __name__ == "__main__":
    main()
