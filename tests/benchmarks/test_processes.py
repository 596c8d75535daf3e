"""What a process has used is read from the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks import processes


class ProcessesTests:
    """Figures of this very process."""

    def test_cpu_time_grows_with_work(self) -> None:
        """Work of 50 ms shows, and not as much more."""
        before, spent = processes.cpu_seconds([os.getpid()]), time.process_time()
        while time.process_time() < spent + 0.05:
            pass
        grown = processes.cpu_seconds([os.getpid()]) - before

        assert 0.03 < grown < 1

    def test_ticks_stand_in_for_nanoseconds(self) -> None:
        """Where the kernel keeps no run times, ticks tell about the same."""
        exact, ticked = processes._exact(os.getpid()), processes._ticked(os.getpid())

        assert ticked == pytest.approx(exact or ticked, rel=0.2, abs=0.1)

    def test_several_processes_are_summed(self) -> None:
        """A gateway with workers is measured as a whole."""
        own = processes.resident_bytes([os.getpid()])
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            both = processes.resident_bytes([os.getpid(), child.pid])

        assert own > 10_000_000
        assert both > own
