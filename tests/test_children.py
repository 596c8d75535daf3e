"""Child processes announce themselves, leave their last words, and do not outlive us."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from claude_bridge import children
from claude_bridge.children import Child, ExpectedFailure


class ExpectedFailureTests:
    """The text that a user sees."""

    def test_text(self) -> None:
        """The message comes first, the last lines of whoever failed below it, indented."""
        assert str(ExpectedFailure("it broke:", ["one", "two"])) == "it broke:\n    one\n    two"
        assert str(ExpectedFailure("it broke")) == "it broke"


SERVING = "import sys; print('noise'); print('at http://x', flush=True); sys.stdin.read()"


def address(line: str) -> str | None:
    """Recognise the announcement."""
    return line.removeprefix("at ") if line.startswith("at ") else None


def started(script: str, ended: threading.Event | None = None) -> Child:
    """Start a Python child."""
    return children.start("the child", [sys.executable, "-c", script], os.environ, address, ended or threading.Event())


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait up to ten seconds for another process."""
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


class ChildTests:
    """Starting, failing and stopping."""

    def test_address_and_stop(self) -> None:
        """A child that announced its address goes on until it is stopped, and then ends by itself."""
        ended = threading.Event()
        child = started(SERVING, ended)
        assert child.address() == "http://x"
        assert not child.ended
        assert not ended.is_set()
        child.stop()
        assert child.ended
        assert ended.is_set()

    def test_early_end(self) -> None:
        """A child that ends instead is reported with its status and its last lines."""
        child = started("import sys; print('first'); sys.exit('no model here')")
        with pytest.raises(ExpectedFailure) as caught:
            child.address()
        assert str(caught.value).startswith("the child ended with exit status 1; its last lines:\n")
        assert "    no model here" in str(caught.value)
        child.stop()

    def test_signal(self) -> None:
        """A child that was killed is reported with the signal's name."""
        child = started("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
        with pytest.raises(ExpectedFailure, match="was ended by SIGILL"):
            child.address()
        child.stop()

    def test_silence(self) -> None:
        """A child that says nothing is given up after a while."""
        child = started("import sys; sys.stdin.read()")
        with pytest.raises(ExpectedFailure, match="did not start within 0 s"):
            child.address(0.1)
        child.stop()

    def test_bounded_tail(self) -> None:
        """Of a talkative child only the last lines are kept, cut where they are endless."""
        child = started("print('x' * 5000); [print(n) for n in range(1000)]")
        with pytest.raises(ExpectedFailure) as caught:
            child.address()
        lines = str(caught.value).splitlines()[1:]
        assert [line.strip() for line in lines] == [str(n) for n in range(1000 - children.TAIL_LINES, 1000)]
        child.stop()

    def test_stubborn_child(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A child that does not end when it should is killed."""
        monkeypatch.setattr(children, "STOP_SECONDS", 0.2)
        child = started("import time; print('at x', flush=True); time.sleep(600)")
        child.address()
        child.stop()
        assert child.ended

    def test_program_that_is_not_there(self) -> None:
        """A program that cannot be started is a failure in words."""
        with pytest.raises(ExpectedFailure, match="the child cannot be started"):
            children.start("the child", ["/nonexistent/program"], os.environ, address, threading.Event())

    def test_killed_parent(self, tmp_path: Path) -> None:
        """A child ends when this process is killed, so that nothing is left behind."""
        script = f"""
import os, sys, threading
from claude_bridge import children
child = children.start("c", [sys.executable, "-c", {SERVING!r}], os.environ, lambda line: line, threading.Event())
child.address()
print(child._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        pid = int(done.stdout)
        assert eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie that nobody collects does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
