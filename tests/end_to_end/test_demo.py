"""The demonstration with the real llama.cpp and the real model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".cache"


@pytest.mark.model
class DemoTests:
    """`claude-bridge demo --once`, from nothing or from the cache."""

    @pytest.mark.timeout(900)
    def test_real_answer(self) -> None:
        """A real model answers through the bridge; a second run needs no network."""
        command = [sys.executable, "-m", "claude_bridge.cli", "demo", "--once"]
        environ = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
        offline = {"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": ""}
        answers = []
        for more in ({}, offline):
            done = subprocess.run(
                command, env={**environ, **more}, capture_output=True, text=True, timeout=600, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            answers += re.findall(r"^Answer: +(.*)\n +\((\d+) tokens in, (\d+) tokens out", done.stdout, re.MULTILINE)
        assert len(answers) == 2
        assert all("Paris" in text and int(into) > 20 and int(out) > 1 for text, into, out in answers)
