"""Promises of the program that is installed as `claude-bridge`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from claude_bridge import cli, entry
from claude_bridge.client import status_line


def test_installed() -> None:
    """The program is this module."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"claude-bridge": "claude_bridge.entry:main"}


def test_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status line goes the short way."""
    monkeypatch.setattr(sys, "argv", ["claude-bridge", "statusline"])
    monkeypatch.setattr(status_line, "main", lambda: 40)
    monkeypatch.setattr(cli, "main", lambda: 41)
    assert entry.main() == 40


@pytest.mark.parametrize("arguments", [[], ["statusline", "--help"], ["check-config"]])
def test_other_commands(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else is the command line's."""
    monkeypatch.setattr(sys, "argv", ["claude-bridge", *arguments])
    monkeypatch.setattr(status_line, "main", lambda: 40)
    monkeypatch.setattr(cli, "main", lambda: 41)
    assert entry.main() == 41
