"""The settings file that Claude Code is started with."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client import offer
from claude_bridge.client.offered_models import OfferedModel
from claude_bridge.client.settings_file import (
    launch_settings,
    merged,
    own_settings,
    permission_mode,
    private_folder,
    without_settings,
    write_private,
)

OFFER = offer.of_bridge("http://127.0.0.1:1", [OfferedModel(name="glm", label="GLM", window=9000)])


class ContentTests:
    """What is in it."""

    def test_stale_variables(self) -> None:
        """Variables of another set-up, in the shell or in the user's files, are emptied; nobody else's are."""
        own: list[dict[str, Any]] = [
            {"env": {"CLAUDE_CODE_SUBAGENT_MODEL": "gpt-x", "EDITOR": "vi"}},
            {"env": "nonsense"},
        ]
        env = launch_settings(OFFER, {}, own, {"CLAUDE_CODE_USE_BEDROCK": "1"})["env"]
        assert (env["CLAUDE_CODE_SUBAGENT_MODEL"], env["CLAUDE_CODE_USE_BEDROCK"]) == ("", "")
        assert "EDITOR" not in env
        assert "CLAUDE_CODE_USE_VERTEX" not in env

    @pytest.mark.parametrize("name", ["glm", "glm@claude-bridge", "haiku", "inherit"])
    def test_model_of_this_bridge(self, name: str) -> None:
        """A model for subagents that the bridge has stays the user's choice."""
        assert (
            "CLAUDE_CODE_SUBAGENT_MODEL"
            not in launch_settings(OFFER, {}, [], {"CLAUDE_CODE_SUBAGENT_MODEL": name})["env"]
        )

    def test_merged(self) -> None:
        """Members of objects are merged, ours win; a list of models is replaced as a whole."""
        theirs = {"a": {"x": 1, "y": 2}, "b": [1], "modelPicker": {"options": [], "other": 1}}
        ours = {"a": {"y": 3}, "b": {"z": 4}, "modelPicker": {"options": [1]}}
        assert merged(theirs, ours) == {"a": {"x": 1, "y": 3}, "b": {"z": 4}, "modelPicker": {"options": [1]}}
        line = {"statusLine": {"command": "ours"}}
        assert merged({"statusLine": {"command": "old", "padding": 3}}, line) == line

    def test_permission_mode(self) -> None:
        """The nearest settings decide."""
        said: list[dict[str, Any]] = [{"permissions": {"defaultMode": "plan"}}, {"permissions": []}, {}]
        assert permission_mode(said) == "plan"
        assert permission_mode([*said, {"permissions": {"defaultMode": "auto"}}]) == "auto"
        assert permission_mode([]) is None

    def test_own_settings(self, tmp_path: Path) -> None:
        """The user's file is where the client looks for it; what cannot be read is left to the client."""
        (tmp_path / ".claude").mkdir()
        (tmp_path / ".claude" / "settings.json").write_text('\ufeff{"a": 1}')
        (tmp_path / ".claude" / "settings.local.json").write_text("// no JSON")
        assert own_settings({"HOME": str(tmp_path)}, tmp_path / "project") == [{"a": 1}]
        assert own_settings({"CLAUDE_CONFIG_DIR": str(tmp_path / ".claude")}, tmp_path) == [{"a": 1}, {"a": 1}]


class ArgumentsTests:
    """The client's arguments."""

    def test_none(self) -> None:
        """Arguments without settings stay as they are."""
        assert without_settings(["-p", "x"]) == (["-p", "x"], {})

    def test_json(self) -> None:
        """JSON itself is taken, the last one counts, and behind -- nothing is an option."""
        given = ["--settings", "{}", '--settings={"a": 1}', "-p", "--", "--settings", "x"]
        assert without_settings(given) == (["-p", "--", "--settings", "x"], {"a": 1})

    @pytest.mark.parametrize("given", ["{", "/nope", ""])
    def test_wrong(self, given: str) -> None:
        """Anything else is a failure in words."""
        with pytest.raises(ExpectedFailure, match="--settings: "):
            without_settings(["--settings", given])


class PlaceTests:
    """Where it is."""

    def test_runtime_directory(self, tmp_path: Path) -> None:
        """It is in the user's runtime directory, in a folder for the user alone, and then gone."""
        with private_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) as folder:
            assert folder.parent == tmp_path / "claude-bridge"
            assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]
            path = write_private(folder / "settings.json", "text")
            assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("text", 0o600)
            with pytest.raises(FileExistsError):
                write_private(path, "more")
        assert list(folder.parent.iterdir()) == []

    def test_folder_of_somebody_else(self, tmp_path: Path) -> None:
        """A link in its place is not followed: the folder for temporary files is taken."""
        (tmp_path / "claude-bridge").symlink_to(tmp_path)
        environ = {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
        with private_folder(environ) as folder:
            assert folder.parent == tmp_path
            assert folder.name.startswith("claude-bridge-launch-")
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not folder.exists()

    def test_no_place(self, tmp_path: Path) -> None:
        """Where no folder can be made the failure says so."""
        with (
            pytest.raises(ExpectedFailure, match="no folder for the settings file"),
            private_folder({"TMPDIR": str(tmp_path / "nope")}),
        ):
            pass

    def test_left_behind(self, tmp_path: Path) -> None:
        """What processes that were killed have left is removed, and nothing else."""
        folder = tmp_path / "claude-bridge"
        names = {"launch-999999999-x", f"launch-{os.getpid()}-x", "launch-x-1", "control"}
        for name in names:
            (folder / name).mkdir(parents=True)
            (folder / name / "settings.json").touch()
        with private_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) as own:
            assert {path.name for path in folder.iterdir()} == {*names - {"launch-999999999-x"}, own.name}
