"""How the C library's allocator treats large blocks."""

from __future__ import annotations

import ctypes
from typing import Final

LARGE: Final = 1024 * 1024
"""Bytes from which on a block is the system's own, and goes back to it as soon as it is freed. The GNU library raises
its own limit up to 32 MiB with every such block that is freed, so that of large requests half the memory stayed with
the daemon, in holes between others."""

_M_MMAP_THRESHOLD: Final = -3


def give_back_large_blocks() -> bool:
    """Have large blocks given back at once, and return whether the C library can do so."""
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
    except (AttributeError, OSError):  # another C library, which decides for itself
        return False
