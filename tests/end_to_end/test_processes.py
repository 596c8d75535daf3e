"""Tests of the means by which tests run programs: a program that hangs or dies must not pass for one that works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

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


STAND_IN = """#!{python}
import json, sys, time
def say(**line): print(json.dumps(line), file=sys.stderr, flush=True)
say(event="started", arguments=sys.argv[1:])
time.sleep(0.2)
say(event="listening", host="127.0.0.1", port=1)
{more}
time.sleep(60)
"""


class DaemonTests:
    """The harness of the daemon, with programs that stand in for it."""

    def _daemon(self, reactor: Any, folder: Path, more: str = "") -> Daemon:
        program = folder / "twistd"
        program.write_text(STAND_IN.format(python=sys.executable, more=more))
        program.chmod(0o700)
        return Daemon(reactor=reactor, folder=folder, program=program)

    @pytest_twisted.ensureDeferred
    async def test_listening(self, reactor: Any, tmp_path: Path) -> None:
        """A daemon is ready when it says where it listens, and not before."""
        daemon = self._daemon(reactor, tmp_path)
        await daemon.start("")
        assert daemon.url == "http://127.0.0.1:1"
        (started,) = daemon.events("started")
        assert started["arguments"][:3] == ["--nodaemon", "--pidfile=", "claude-bridge"]
        assert daemon.resident_bytes > 1_000_000
        await daemon.finish()

    @pytest_twisted.ensureDeferred
    async def test_silent(self, reactor: Any, tmp_path: Path) -> None:
        """An event that does not come fails the test after its time."""
        daemon = self._daemon(reactor, tmp_path)
        await daemon.start("")
        with pytest.raises(AssertionError, match=r"no second after 0\.1 s"):
            await daemon.wait_for("second", 0.1)
        await daemon.finish()

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("more", ["print('x', flush=True)", "print('x', file=sys.stderr)", "sys.exit(1)"])
    async def test_untidy(self, reactor: Any, tmp_path: Path, more: str) -> None:
        """Anything on standard output, a line that is not JSON and a bad end each fail the test that ran the daemon."""
        daemon = self._daemon(reactor, tmp_path, f"time.sleep(0.1); {more}")
        await daemon.start("")
        await deferLater(reactor, 0.4)
        with pytest.raises(AssertionError):
            await daemon.finish()

    @pytest_twisted.ensureDeferred
    async def test_wrong_configuration(self, reactor: Any, tmp_path: Path) -> None:
        """A daemon that ends instead of listening fails the test at once, with what it said."""
        daemon = Daemon(reactor=reactor, folder=tmp_path)
        with pytest.raises(AssertionError):
            await daemon.start("[nonsense]\n")
        assert daemon.process.code not in (None, 0)
