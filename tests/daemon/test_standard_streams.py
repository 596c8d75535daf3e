"""Promises of a daemon that is started with closed standard streams."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, sys
from claude_bridge.daemon.standard_streams import open_closed
open_closed()
new = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
sys.stdout.write("out"); sys.stdout.flush(); sys.stderr.write("err"); sys.stdin.read()
told = {"new": new, "names": [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)],
        "inherited": [os.get_inheritable(fd) for fd in range(3)]}
os.write(new, json.dumps(told).encode())
"""


class ClosedStreamTests:
    """``<&-``, ``>&-`` and ``2>&-`` in a shell."""

    @pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
    def test_null(self, tmp_path: Path, closed: tuple[int, ...]) -> None:
        """What was closed is ``/dev/null``, also for programs that are started then; what is opened comes after it."""
        file = tmp_path / "told"
        redirections = " ".join(f"{descriptor}>&-" for descriptor in closed)
        command = shlex.join([sys.executable, "-c", PROGRAM, str(file)])
        done = subprocess.run(
            ["/bin/sh", "-c", f"exec {command} {redirections}"], input="", capture_output=True, text=True, check=True
        )
        told = json.loads(file.read_text())
        assert told["new"] > 2
        assert [told["names"][descriptor] for descriptor in closed] == ["/dev/null"] * len(closed)
        assert told["inherited"] == [True] * 3
        assert (done.stdout, done.stderr) == ("" if 1 in closed else "out", "" if 2 in closed else "err")

    def test_open_ones_stay(self) -> None:
        """Streams that are open are left alone."""
        program = "from claude_bridge.daemon.standard_streams import open_closed as f; f(); print(input())"
        done = subprocess.run(
            [sys.executable, "-c", program], input="hello\n", capture_output=True, text=True, check=True
        )
        assert done.stdout == "hello\n"

    @pytest.mark.parametrize("start", [["twistd", "--nodaemon", "--pidfile="], []])
    def test_commands(self, tmp_path: Path, start: list[str]) -> None:
        """Both commands say by their exit status what they cannot say in words."""
        wrong = tmp_path / "wrong.ini"
        wrong.write_text("[nonsense]\nx = 1\n")
        scripts = Path(sys.prefix) / "bin"
        daemon = [str(scripts / "twistd"), *start[1:], "claude-bridge", "--config", str(wrong), "--check-config"]
        command = daemon if start else [str(scripts / "claude-bridge"), "check-config", "--config", str(wrong)]
        done = subprocess.run(["/bin/sh", "-c", f"exec {shlex.join(command)} >&- 2>&-"], check=False, timeout=60)
        assert done.returncode == 78
