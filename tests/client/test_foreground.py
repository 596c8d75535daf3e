"""A program in the foreground, in place of this process."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.foreground import EndedBySignal, Foreground
from tests.test_children import eventually

SHELL = "/bin/sh"


@contextmanager
def twice(number: int) -> Iterator[None]:
    """Send a signal, and another one in the clean-up after it."""
    try:
        os.kill(os.getpid(), number)
        yield
    finally:
        os.kill(os.getpid(), number)


def run(script: str) -> int:
    """Run a shell script in the foreground."""
    with Foreground() as foreground:
        return foreground.run([SHELL, "-c", script], os.environ)


class ForegroundTests:
    """Status, signals and terminal."""

    @pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
    def test_status(self, script: str, status: int) -> None:
        """The status is the program's; for one that a signal ended it is a shell's."""
        assert run(script) == status

    def test_passed_on(self) -> None:
        """SIGTERM and SIGHUP are passed on; what the keyboard sends is not, as the program gets it too."""
        for name in ("TERM", "HUP"):
            assert run(f"trap 'exit 5' {name}; kill -{name} $PPID; sleep 5 & wait") == 5
        for name in ("INT", "QUIT"):
            assert run(f"trap 'exit 5' {name}; kill -{name} $PPID; sleep 0.1; exit 6") == 6

    def test_before(self) -> None:
        """A signal before the program is started ends us, once; later ones do not disturb the clean-up."""
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(EndedBySignal) as caught, Foreground(), twice(signal.SIGTERM):
            pass
        assert caught.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == before

    def test_after(self) -> None:
        """Neither does one after its end."""
        with Foreground() as foreground:
            assert foreground.run([SHELL, "-c", "exit 3"], os.environ) == 3
            os.kill(os.getpid(), signal.SIGTERM)

    def test_no_signal_is_ignored(self) -> None:
        """The program has the signals as every program has them, SIGPIPE too, which Python ignores."""
        assert run("kill -PIPE $$; exit 9") == 128 + signal.SIGPIPE

    def test_not_there(self) -> None:
        """What cannot be started is a failure in words."""
        with Foreground() as foreground, pytest.raises(ExpectedFailure, match="/nope cannot be started: No such file"):
            foreground.run(["/nope"], {})

    def test_stopped(self, tmp_path: Path) -> None:
        """A program that stops, as at Ctrl-Z, stops us too, so that the shell has its terminal back; both go on."""
        script = f"""
import os
from claude_bridge.client.foreground import Foreground
with Foreground() as foreground:
    raise SystemExit(foreground.run([{SHELL!r}, "-c", "echo $$ > pid; kill -STOP $$; exit 4"], os.environ))
"""
        main, terminal = pty.openpty()
        with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdin=terminal) as process:
            assert eventually(lambda: state(process.pid) == "T")
            for pid in (int((tmp_path / "pid").read_text()), process.pid):
                os.kill(pid, signal.SIGCONT)
            assert process.wait(20) == 4
        os.close(main)
        os.close(terminal)


def state(pid: int) -> str:
    """Return the state of a process: T for one that is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
