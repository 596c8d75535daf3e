"""Tests of the means by which tests run programs: a program that hangs or dies must not pass for one that works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.end_to_end.daemon import Daemon
from tests.end_to_end.processes import Watched, run_program


def python(code: str) -> list[str]:
    """Make a command that runs Python code."""
    return [sys.executable, "-c", code]


class RunProgramTests:
    """Programs that run to their end."""

    @pytest_twisted.ensureDeferred
    async def test_outcome(self, reactor: Any, tmp_path: Path) -> None:
        """Exit code and both outputs are told apart; environment and folder are those that were given."""
        code = "import os, sys; print(os.getcwd(), os.environ['A']); sys.stderr.write('x'); sys.exit(3)"
        ran = await run_program(reactor, python(code), environment={"A": "1"}, folder=tmp_path)
        assert (ran.code, ran.out, ran.err) == (3, f"{tmp_path} 1\n", "x")

    @pytest_twisted.ensureDeferred
    async def test_hanging(self, reactor: Any) -> None:
        """A program that does not end in time is killed, and what it said is kept."""
        ran = await run_program(reactor, python("print(1, flush=True); import time; time.sleep(60)"), seconds=1.0)
        assert (ran.code, ran.out) == (-9, "1\n")
        assert "killed after 1.0 s" in ran.err

    @pytest_twisted.ensureDeferred
    async def test_signals(self, reactor: Any) -> None:
        """A program that a signal ended has that signal as its code; signals after its end are harmless."""
        watched = Watched()
        reactor.spawnProcess(watched, sys.executable, python("import time; time.sleep(60)"), env={})
        watched.signal("TERM")
        assert await watched.when_ended() == -15
        watched.signal("TERM")


class DaemonTests:
    """Daemons that do not start."""

    @pytest_twisted.ensureDeferred
    async def test_wrong_configuration(self, reactor: Any, tmp_path: Path) -> None:
        """A daemon that ends instead of listening fails the test at once, with what it said."""
        daemon = Daemon(reactor=reactor, folder=tmp_path)
        with pytest.raises(AssertionError, match="it ended with"):
            await daemon.start("[nonsense]\n")
