"""Promises of the settings files of Claude Code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_bridge.doctor.client_files import SHELL, sources, winner

NAME = "ANTHROPIC_BASE_URL"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with a project and a folder of managed settings."""
    for folder in ("home/.claude", "project/.claude", "managed/managed-settings.d"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def write(file: Path, value: str) -> None:
    """Write a settings file that sets the variable."""
    file.write_text(json.dumps({"env": {NAME: value}, "hooks": {}}))


def found(home: Path) -> tuple[str, str] | None:
    """Return value and place of the variable; the shell sets it too."""
    environ = {"HOME": str(home / "home"), NAME: "shell"}
    won = winner(sources(environ, home / "project", str(home / "managed")), NAME)
    return None if won is None else (won.value, won.place)


class WinnerTests:
    """Which place wins."""

    def test_order(self, home: Path) -> None:
        """Each file that is added wins over those before, and all win over the shell."""
        assert found(home) == ("shell", SHELL)
        write(home / "home/.claude/settings.json", "user")
        assert found(home) == ("user", "~/.claude/settings.json")
        write(home / "project/.claude/settings.json", "project")
        write(home / "project/.claude/settings.local.json", "local")
        assert found(home) == ("local", str(home / "project/.claude/settings.local.json"))
        write(home / "managed/managed-settings.json", "managed")
        assert found(home) == ("managed", str(home / "managed/managed-settings.json"))

    def test_own_folder(self, home: Path) -> None:
        """CLAUDE_CONFIG_DIR is where the user's settings are."""
        (home / "other").mkdir()
        write(home / "other/settings.json", "other")
        environ = {"HOME": str(home / "home"), "CLAUDE_CONFIG_DIR": str(home / "other")}
        won = winner(sources(environ, home, str(home / "managed")), NAME)
        assert won is not None
        assert (won.value, won.in_file) == ("other", True)

    def test_nobody(self, home: Path) -> None:
        """A variable that nobody sets has no value."""
        assert winner(sources({"HOME": str(home)}, home, str(home)), NAME) is None

    @pytest.mark.parametrize("text", ["// no JSON\n{}", "[" * 100_000, "\udcff"])
    def test_unreadable(self, home: Path, text: str) -> None:
        """A file that is no JSON is named, and hides nothing else."""
        (home / "home/.claude/settings.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        places = sources({"HOME": str(home / "home")}, home, str(home))
        assert [(each.place, each.unreadable) for each in places] == [
            ("~/.claude/settings.json", "it is not JSON"),
            (SHELL, ""),
        ]

    @pytest.mark.parametrize("text", ["[]", '{"env": 3}', "null"])
    def test_without_variables(self, home: Path, text: str) -> None:
        """A file of another shape sets nothing."""
        (home / "home/.claude/settings.json").write_text(text)
        assert len(sources({"HOME": str(home / "home")}, home, str(home))) == 1
