"""Promises of the allocator: what large requests held is the system's again when they are over."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
from pathlib import Path
from claude_bridge.daemon.allocator import give_back_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

assert give_back_large_blocks()
del (first := [bytes(bytearray(b"x") * (30 << 20)) for _ in range(2)])[:]  # by which the limit would be raised
before = resident()
kept = [bytes(bytearray(b"x") * (30 << 20)) for _ in range(10)]
del kept[:-1]
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no such limit")
class AllocatorTests:
    """In a process of its own."""

    def test_given_back(self) -> None:
        """Of ten large blocks only the one that is still used is held."""
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        assert int(done.stdout) <= 35
