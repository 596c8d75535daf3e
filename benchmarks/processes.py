"""What a process has used, from /proc (Linux)."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pids: Sequence[int]) -> float:
    """Sum up the CPU time, kernel included, of these processes since their start."""
    return sum(_exact(pid) or _ticked(pid) for pid in pids)


def resident_bytes(pids: Sequence[int]) -> int:
    """Sum up the memory of these processes."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in pids)


def allow_many_files() -> None:
    """Let this process open as many connections as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _exact(pid: int) -> float:
    """Give the scheduler's run time of all threads: nanoseconds. 0 where the kernel keeps none."""
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
    except FileNotFoundError:  # no such count in this kernel, or a thread ended just now
        return 0.0


def _ticked(pid: int) -> float:
    """Give user and system time: ticks, of 10 ms as a rule."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
