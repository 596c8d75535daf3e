"""``python -m benchmarks`` from a user's seat."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 100


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks to their end."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)


class BenchmarksTests:
    """The command."""

    @pytest.mark.parametrize("scenario", ["small_sse", "small_passed"])
    def test_a_small_run_measures_the_real_daemon(self, scenario: str) -> None:
        """Five requests a round through the real daemon are all right; the table has their cost beside the relay's."""
        done = ran(scenario, "--requests", "5", "--repeat", "2")

        assert done.returncode == 0, done.stderr
        _, _, row = ([cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines())
        name, measured, relay, multiple, _, _, answers = row
        assert (name, answers) == (scenario, "20 right")  # ten of them to warm up
        ours, its, times = (float(cell.split()[0]) for cell in (measured, relay, multiple))
        assert 0 < its < ours < 1000
        assert times == pytest.approx(ours / its, rel=0.01)
        assert all(cell.endswith(")") for cell in (measured, relay, multiple))  # the spread of both rounds

    def test_wrong_answers_fail_the_run(self) -> None:
        """A gateway that does not answer in the right language (here the fake backend itself) gets exit status 1."""
        port = str(free_port())
        gateway = ["--url", f"http://127.0.0.1:{port}", "--pid", str(os.getpid()), "--backend-port", port]
        done = ran("small", "--requests", "2", *gateway)

        assert done.returncode == 1
        assert "4 of 4 wrong" in done.stdout
        assert "small: 4 x not in the API's shape" in done.stderr

    def test_a_gateway_that_ends_is_told(self) -> None:
        """No table is made up for a process that is gone."""
        port = str(free_port())
        with subprocess.Popen(["true"]) as gone:
            gone.wait()
        done = ran("small", "--requests", "1", "--url", f"http://127.0.0.1:{port}", "--pid", str(gone.pid),
                   "--backend-port", port)  # fmt: skip

        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.endswith(f"process {gone.pid} has ended\n")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["smal"], "no scenario smal; there are small, "),
            (["--repeat", "21"], "must be a number from 1 to 20"),
            (["--streams", "0"], "must be a number from 1 to 2000"),
            (["--url", "ftp://127.0.0.1", "--pid", "1"], "must be an http:// address"),
            (["--url", "http://127.0.0.1:1"], "belong together"),
        ],
    )
    def test_mistakes_on_the_command_line_are_told(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
    ) -> None:
        """Nothing is started."""
        with pytest.raises(SystemExit):
            main(arguments)

        assert reason in capsys.readouterr().err
