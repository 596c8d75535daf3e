"""How the C library's allocator treats large blocks."""

from __future__ import annotations

import ctypes
from typing import Final

LARGE: Final = 1024 * 1024
"""Bytes from which on a block is mapped separately, and returned to the system as soon as it is freed. By default the
GNU library raises this limit, up to 32 MiB, with every such block that is freed; then half the memory of large requests
stayed with the daemon, in gaps between other blocks."""

_M_MMAP_THRESHOLD: Final = -3


def give_back_large_blocks() -> bool:
    """Make the C library return large blocks at once; return whether it can."""
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
    except (AttributeError, OSError):  # another C library, which decides for itself
        return False
