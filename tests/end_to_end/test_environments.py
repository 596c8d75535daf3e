"""Tests of `tests.environments`, with an environment that needs nothing from anywhere."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from attrs import evolve

from tests import environments
from tests.environments import Environment, built

LITTLE = Environment(name="little", requirements=("pip",))  # which every new environment has already
CHILD = "import sys; from pathlib import Path; from tests.environments import *; "


class BuiltTests:
    """When an environment is built."""

    def test_once(self, tmp_path: Path) -> None:
        """An environment is built the first time only, and its interpreter is its own."""
        first = built(LITTLE, tmp_path)
        (first.folder / "mark").touch()
        assert (built(LITTLE, tmp_path).folder / "mark").exists()
        told = subprocess.run(
            [str(first.python), "-c", "import sys; print(sys.prefix)"], capture_output=True, check=True
        )
        assert told.stdout.decode().strip() == str(first.folder)

    def test_cut_short(self, tmp_path: Path) -> None:
        """What a killed build left behind is thrown away, not used."""
        left = tmp_path / LITTLE.key / "lib" / "rubbish"
        left.mkdir(parents=True)
        assert built(LITTLE, tmp_path).python.exists()
        assert not left.exists()

    def test_two_processes(self, tmp_path: Path) -> None:
        """Whoever comes while another builds waits for it."""
        with (tmp_path / f"{LITTLE.key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code = (
                f"{CHILD} built(Environment(name='little', requirements=('pip',)), Path(sys.argv[1])); print('built')"
            )
            folder = Path(environments.__file__).parents[1]
            command = [sys.executable, "-c", code, str(tmp_path)]
            other = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
            try:
                other.wait(2)
            except subprocess.TimeoutExpired:
                waited = True
            else:
                waited = False
            built_meanwhile = (tmp_path / LITTLE.key).exists()
        out, _ = other.communicate(timeout=60)
        assert waited
        assert not built_meanwhile
        assert out == b"built\n"

    def test_key(self) -> None:
        """Another requirement is another environment."""
        assert evolve(LITTLE, requirements=("pip", "x")).key != LITTLE.key
        assert evolve(LITTLE, sources=("x==1",)).key != LITTLE.key
