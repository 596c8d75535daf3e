"""Makes sure that the three standard streams are open: otherwise the next socket or file would get their numbers.

The parent process may have closed them (``2>&-``). Then descriptor 2 would be whatever is opened first, the reactor's
own pipe or a client's connection, and log lines would be written into it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""By descriptor: the name in `sys`, and the mode."""


def open_closed() -> None:
    """Open ``/dev/null`` in the place of each standard stream that is closed."""
    for descriptor, (name, mode) in enumerate(STREAMS):
        with contextlib.suppress(OSError):  # without /dev/null all stays as it was, which is better than no daemon
            if not _is_open(descriptor):
                _open_null(descriptor)
            if getattr(sys, name) is None:  # Python's name for a stream that was closed at its start
                setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", errors="replace", closefd=False))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_null(descriptor: int) -> None:
    """Open it for reading and writing, so that neither fails; it stays open in programs that this process executes."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == descriptor:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(opened, descriptor)
        os.close(opened)
