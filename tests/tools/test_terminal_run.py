"""Commands at a pseudo-terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.terminal_run import COLUMNS, run


def run_python(code: str, folder: Path) -> str:
    """Return what a piece of Python prints at a terminal."""
    return "".join(chunk.text for chunk in run([sys.executable, "-c", code], os.environ, folder))


class RunTests:
    """What is noted."""

    def test_terminal(self, tmp_path: Path) -> None:
        """The command has a terminal of a known width, and its folder."""
        code = "import os; print(os.isatty(1), os.get_terminal_size().columns, os.getcwd())"
        assert run_python(code, tmp_path) == f"True {COLUMNS} {tmp_path}\r\n"

    def test_times(self, tmp_path: Path) -> None:
        """Pieces have their times, in order, and a character that arrives in halves is one."""
        code = "import os, time; os.write(1, b'\\xc3'); time.sleep(0.05); os.write(1, b'\\xa9 end')"
        chunks = run([sys.executable, "-c", code], os.environ, tmp_path)
        assert "".join(chunk.text for chunk in chunks) == "é end"
        assert [chunk.seconds for chunk in chunks] == sorted(chunk.seconds for chunk in chunks)

    def test_failure(self, tmp_path: Path) -> None:
        """A command that fails is reported with what it printed."""
        with pytest.raises(subprocess.CalledProcessError) as caught:
            run_python("import sys; print('no'); sys.exit(3)", tmp_path)
        assert (caught.value.returncode, caught.value.output) == (3, "no\r\n")
