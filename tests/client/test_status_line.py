"""Promises of `claude-bridge statusline`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from claude_bridge.client import status_line
from tests.client.status_samples import ANSWERED, BEGINNING, LINE
from tests.client.test_status_request import serving, whole

COMMAND = [sys.executable, "-m", "claude_bridge.entry", "statusline"]

PATIENT = [
    sys.executable,
    "-c",
    "import sys; from claude_bridge.client import status_line; status_line.SECONDS = 30; sys.exit(status_line.main())",
]
"""The same on a machine that has other things to do."""

HEAVY = {
    "argparse", "asyncio", "attr", "attrs", "cattrs", "claude_bridge.cli", "claude_bridge.config", "claude_bridge.core",
    "dataclasses", "email", "http", "http.client", "inspect", "msgspec", "ssl", "subprocess", "twisted", "typing",
    "zope",
}  # fmt: skip
"""Modules that take milliseconds."""


def run(given: bytes, command: Sequence[str] = PATIENT, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        command, input=given, env={**inherited, **environ}, capture_output=True, timeout=60, check=False
    )


@contextmanager
def given(content: bytes, folder: Path) -> Iterator[int]:
    """Open a file with the session."""
    path = folder / "session.json"
    path.write_bytes(content)
    with path.open("rb") as file:
        yield file.fileno()


class CommandTests:
    """The whole command."""

    def test_line(self) -> None:
        """It asks the bridge in the client's environment and prints one line."""
        with serving(whole()) as server:
            done = run(json.dumps(ANSWERED).encode(), ANTHROPIC_BASE_URL=server.url, ANTHROPIC_AUTH_TOKEN="t")
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, LINE + "\n", b"")

    def test_key_of_a_helper(self) -> None:
        """A client whose key is not in the environment has no figures, which is said once there would be some."""
        lines = []
        for session in (BEGINNING, ANSWERED):
            with serving(whole(b"{}", "404 Not Found")) as server:
                lines.append(run(json.dumps(session).encode(), ANTHROPIC_BASE_URL=server.url, NO_COLOR="1").stdout)
        assert lines == [b"glm  ctx 0/131k 0%\n", b"glm  ctx 12/131k 0%  cache 0%  no key for the status line\n"]

    @pytest.mark.parametrize("content", [b"", b"null", b"[]", b"\xff", b'{"session_id": 1}', b"[" * 100_000])
    def test_another_input(self, content: bytes) -> None:
        """What is no session is an empty line, and no traceback."""
        done = run(content, ANTHROPIC_BASE_URL="http://127.0.0.1:1")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"\n", b"")

    def test_surroundings(self) -> None:
        """Width and colours are those that the environment says."""
        down = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
        content = json.dumps(BEGINNING).encode()
        assert run(content, **down).stdout == b"glm  ctx 0/131k 0%  \x1b[31mbridge down\x1b[0m\n"
        assert run(content, **down, NO_COLOR="1").stdout == b"glm  ctx 0/131k 0%  bridge down\n"
        assert run(content, **down, NO_COLOR="1", COLUMNS="21").stdout == b"glm  bridge down\n"
        assert run(content, **down, NO_COLOR="1", COLUMNS="wide").stdout == b"glm  ctx 0/131k 0%  bridge down\n"

    def test_light(self) -> None:
        """It loads none of the modules that the other commands need: they take longer than all the rest."""
        script = (
            "import runpy, sys\nsys.argv[1:] = ['statusline']\nbefore = set(sys.modules)\n"
            "try:\n    runpy.run_module('claude_bridge.entry', run_name='__main__')\n"
            "finally:\n    sys.stderr.write(' '.join(set(sys.modules) - before))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(ANSWERED).encode(),
            env={**os.environ, "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        loaded = set(done.stderr.decode().split())
        assert "claude_bridge.client.status_text" in loaded
        assert loaded & HEAVY == set()

    def test_duration(self, capsys: pytest.CaptureFixture[str]) -> None:
        """How long it takes is printed, for whoever asks (`-s`); what it loads is what is promised."""
        taken = []
        for _ in range(5):
            with serving(whole()) as server:
                begun = time.perf_counter()
                done = run(json.dumps(ANSWERED).encode(), COMMAND, ANTHROPIC_BASE_URL=server.url)
                taken.append(time.perf_counter() - begun)
            assert done.stdout.startswith(b"glm")
        with capsys.disabled():
            sys.stdout.write(f"\nstatusline: {min(taken) * 1000:.0f} to {max(taken) * 1000:.0f} ms\n")

    def test_terminal(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever types the command is told what it is for."""
        with Path("/dev/ptmx").open("rb", buffering=0) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            assert status_line.main() == 2
        assert '"command": "claude-bridge statusline"' in capsys.readouterr().err


class LimitTests:
    """A quarter of a second."""

    def test_silent_bridge(self, tmp_path: Path) -> None:
        """A bridge that does not answer costs no more than the limit."""
        with socket.create_server(("127.0.0.1", 0)) as silent, given(json.dumps(ANSWERED).encode(), tmp_path) as file:
            environ = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}", "NO_COLOR": "1"}
            begun = time.monotonic()
            told = status_line.status_line(file, environ, 0.5)
            assert time.monotonic() - begun < 5
        assert told == "glm  ctx 12/131k 0%  cache 0%  bridge slow"

    def test_input_without_end(self) -> None:
        """A client that does not finish its input is not waited for either."""
        reading, writing = os.pipe()
        try:
            assert status_line.status_line(reading, {"NO_COLOR": "1"}, 0.05) == "bridge slow"
        finally:
            os.close(writing)
            time.sleep(0)
            os.close(reading)

    def test_sum(self) -> None:
        """What is left for starting Python is a fifth of the quarter of a second."""
        assert status_line.SECONDS <= 0.2
