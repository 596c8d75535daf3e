"""Promises of the warnings: whatever keeps Claude Code from using what was written is named with file and key."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from claude_bridge.client.environment import TOKEN
from claude_bridge.client.setup_warnings import Hindrances, hindrances
from tests.client.setups import URL, Home, nobody

NOTHING = Hindrances(None, ())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user with a project."""
    home = Home(tmp_path / "home")
    home.project.mkdir(parents=True)
    (tmp_path / "managed").mkdir()
    return home


def found(home: Home, *, project: bool = False, **exported: str) -> Hindrances:
    """Set up, and return what is in the way."""
    setup = home.setup(project=project)
    setup.apply(nobody)
    return hindrances(setup, home.environ | exported, home.project, str(home.folder.parent / "managed"))


def write(path: Path, **variables: str) -> Path:
    """Write a settings file with variables."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"env": variables}))
    return path


class HindrancesTests:
    """What is in the way."""

    @pytest.mark.parametrize("project", [False, True])
    def test_nothing(self, project: bool, home: Home) -> None:
        """Nothing is, in a clean home; variables of the shell and weaker files are not."""
        write(home.settings, ANTHROPIC_BASE_URL="http://other")
        assert found(home, project=project, ANTHROPIC_BASE_URL="http://shell") == NOTHING

    def test_stronger_file(self, home: Home) -> None:
        """A project's settings are, for the user's; and managed ones for all."""
        path = write(home.project / ".claude" / "settings.json", ANTHROPIC_BASE_URL="http://other", OTHER="1")
        told = found(home)
        assert told.warnings == (f"{path} sets env.ANTHROPIC_BASE_URL, which wins over {home.settings}",)
        assert told.address is not None
        assert told.address.file.path == str(path)
        assert found(home, project=True) == NOTHING
        path = write(home.folder.parent / "managed" / "managed-settings.json", ANTHROPIC_AUTH_TOKEN="sk-1")
        told = found(home, project=True)
        assert told.address is None
        assert told.warnings == (
            f"{path} sets env.ANTHROPIC_AUTH_TOKEN, which wins over {home.place(project=True).settings}",
        )

    def test_same_value(self, home: Home) -> None:
        """The same value in a stronger file is not."""
        write(home.project / ".claude" / "settings.json", ANTHROPIC_BASE_URL=URL)
        assert found(home) == NOTHING

    @pytest.mark.parametrize(("value", "count"), [("1", 1), ("true", 1), ("0", 0), ("", 0)])
    def test_other_provider(self, value: str, count: int, home: Home) -> None:
        """A variable that sends the client to a cloud is, wherever it is set."""
        assert len(found(home, CLAUDE_CODE_USE_BEDROCK=value).warnings) == count
        path = write(home.settings, CLAUDE_CODE_USE_VERTEX=value)
        told = found(home).warnings
        assert [each for each in told if f"{path} sets env.CLAUDE_CODE_USE_VERTEX: " in each] == list(told)
        assert len(told) == count

    def test_model_of_another_router(self, home: Home) -> None:
        """A model that another router has left there is, as the bridge does not know it."""
        path = write(
            home.settings, ANTHROPIC_SMALL_FAST_MODEL="router,small", CLAUDE_CODE_SUBAGENT_MODEL="x@claude-bridge"
        )
        assert found(home).warnings == (
            f"{path} still sets env.ANTHROPIC_SMALL_FAST_MODEL to router,small: Claude Code asks the bridge for it",
        )

    def test_broken_file(self, home: Home) -> None:
        """A file that cannot be read is told."""
        path = write(home.project / ".claude" / "settings.json")
        path.write_text("{")
        (warning,) = found(home).warnings
        assert warning.startswith(f"{path}: ")

    @pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
    @pytest.mark.parametrize(
        ("mode", "token", "warned"), [(0o644, "sk-1", True), (0o600, "sk-1", False), (0o644, "unused", False)]
    )
    def test_read_by_others(self, mode: int, token: str, warned: bool, home: Home) -> None:
        """A file with a key in it that others can read is; where the bridge asks for none there is none in it."""
        write(home.settings, ANTHROPIC_AUTH_TOKEN=token).chmod(mode)
        setup = home.setup()
        setup = evolve(
            setup, settings=tuple(evolve(each, value=token) if each.name == TOKEN else each for each in setup.settings)
        )
        told = hindrances(setup, home.environ, home.project, str(home.folder.parent / "managed")).warnings
        expected = f"{home.settings} has the bridge's key, and others on this machine can read it: chmod 600 it"
        assert told == ((expected,) if warned else ())

    def test_seen_by_git(self, home: Home) -> None:
        """A project's settings that git would take are, as they may hold a token."""
        subprocess.run(["git", "init", "-q", home.project], check=True, timeout=10)
        path = home.place(project=True).settings
        told = found(home, project=True).warnings
        assert told == (f"git does not ignore {path}, which may hold a token: add it to .gitignore",)
        (home.project / ".gitignore").write_text("settings.local.json\n")
        assert found(home, project=True) == NOTHING
