"""Promises of asking: what is typed is not shown, and where nobody can answer that is an error, never a wait."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_bridge.client.ask import NobodyToAsk, ask_hidden

SCRIPT = "from claude_bridge.client.ask import ask_hidden; print(repr(ask_hidden('key: ')))"


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Yield our end of a terminal, and the name of the other one."""
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


class AskHiddenTests:
    """One question."""

    def test_typed(self, terminal: tuple[int, str], tmp_path: Path) -> None:
        """What a person types comes back, and the terminal shows the question alone."""
        ours, name = terminal
        script = f"import os; os.setsid(); os.open({name!r}, os.O_RDWR); {SCRIPT}"
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=tmp_path
        ) as process:
            shown = b""
            while b"key: " not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, b"s3cret\n")
            assert process.stdout is not None
            assert process.stdout.read() == b"'s3cret'\n"
        os.set_blocking(ours, False)
        assert b"s3cret" not in shown + os.read(ours, 1000)

    def test_no_terminal(self) -> None:
        """Without a terminal nothing is read, not even from standard input, and no warning is shown."""
        script = f"import os; os.setsid()\ntry: {SCRIPT}\nexcept Exception as error: print(type(error).__name__, error)"
        done = subprocess.run(
            [sys.executable, "-c", script], input="typed\n", capture_output=True, text=True, timeout=60, check=True
        )
        assert (done.stdout, done.stderr) == ("NobodyToAsk there is no terminal to ask at\n", "")

    def test_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who presses Ctrl-C has given no answer."""

        def interrupt(_question: str) -> str:
            raise KeyboardInterrupt

        monkeypatch.setattr("getpass.getpass", interrupt)
        with pytest.raises(NobodyToAsk, match="no answer was given"):
            ask_hidden("key: ")
