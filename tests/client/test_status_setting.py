"""Promises of the member of Claude Code's settings that installs the status line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.client.status_setting import command, has_own, is_ours, setting

OWN = {"type": "command", "command": "~/.claude/mine.sh"}


def test_installed_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that the user has called is named with its whole path, whatever is in that."""
    folder = tmp_path / "my programs"
    folder.mkdir()
    program = folder / "claude-bridge"
    program.touch(mode=0o755)
    assert command(str(program)) == f"'{program}' statusline"
    monkeypatch.chdir(folder)
    assert command("./claude-bridge") == f"'{program}' statusline"


@pytest.mark.parametrize("program", ["/no/such/claude-bridge", "cli.py", "", "-c"])
def test_module(program: str, tmp_path: Path) -> None:
    """Without an installed program Python is named, and a module of the project's is not taken for ours."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    words = shlex.split(command(program))
    assert words == [sys.executable, "-P", "-m", "claude_bridge.entry", "statusline"]
    environ = dict(os.environ)
    done = subprocess.run(words, input=b"{}", cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"\n"


def test_setting() -> None:
    """The client runs it as a command, and now and then without a message."""
    assert setting("x") == {"type": "command", "command": command("x"), "refreshInterval": 10}


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (setting("x"), True),
        ({"command": "/usr/local/bin/claude-bridge statusline"}, True),
        ({"command": "'/my programs/claude-bridge' statusline"}, True),
        ({"command": "/opt/python -P -m claude_bridge.entry statusline"}, True),
        (OWN, False),
        ({"command": "mine.sh | claude-bridge statusline"}, False),
        ({"command": "claude-bridge usage"}, False),
        ({"command": "'"}, False),
        ({"command": ""}, False),
        ({"command": None}, False),
        ({}, False),
        ("claude-bridge statusline", False),
        (None, False),
    ],
)
def test_ours(value: Any, ours: bool) -> None:
    """A status line is ours if it runs our command and nothing else."""
    assert is_ours(value) is ours


def test_own() -> None:
    """The user's own one counts in any of several settings; ours, and none, is none of theirs."""
    assert has_own([{}, {"statusLine": OWN}])
    assert not has_own([{}, {"statusLine": setting("x")}, {"statusLine": None}])
