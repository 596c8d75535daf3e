"""What a process has used, from /proc (Linux)."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Gone(Exception):
    """A process that is measured has ended."""


def cpu_seconds(pids: Sequence[int]) -> float:
    """Sum up the CPU time, kernel included, of these processes since their start. Raises `Gone`."""
    return sum(_exact(pid) or _ticked(pid) for pid in pids)


def resident_bytes(pids: Sequence[int]) -> int:
    """Sum up the memory of these processes. Raises `Gone`."""
    return sum(int(_read(pid, "statm").split()[1]) * _PAGE for pid in pids)


def allow_many_files() -> None:
    """Let this process open as many connections as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _exact(pid: int) -> float:
    """Return the scheduler's run time of all threads: nanoseconds. 0 where the kernel keeps none."""
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
    except (FileNotFoundError, ProcessLookupError):  # no such count in this kernel, or a thread ended just now
        return 0.0


def _ticked(pid: int) -> float:
    """Return user and system time: ticks, of 10 ms as a rule."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise Gone(f"process {pid} has ended") from error
