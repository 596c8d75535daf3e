"""Promises of the order of Claude Code's settings files."""

from __future__ import annotations

from pathlib import Path

from claude_bridge.config.claude_settings import SettingsFile, config_folder, settings_files


class SettingsFilesTests:
    """Which files count, the strongest first."""

    def test_order(self, tmp_path: Path) -> None:
        """Managed drop-ins come first, the last of them before the others, then the project's, then the user's."""
        managed, project = tmp_path / "managed", tmp_path / "project"
        (managed / "managed-settings.d").mkdir(parents=True)
        for name in ("10-a.json", "50-b.json", "readme.txt"):
            (managed / "managed-settings.d" / name).touch()
        found = [str(each) for each in settings_files({"HOME": str(tmp_path)}, project, str(managed))]
        assert [each.removeprefix(f"{tmp_path}/") for each in found] == [
            "managed/managed-settings.d/50-b.json",
            "managed/managed-settings.d/10-a.json",
            "managed/managed-settings.json",
            "project/.claude/settings.local.json",
            "project/.claude/settings.json",
            ".claude/settings.json",
        ]

    def test_home_is_the_project(self, tmp_path: Path) -> None:
        """In the home folder the shared file of the project is the user's, and counts once."""
        scopes = [each.scope for each in settings_files({"HOME": str(tmp_path)}, tmp_path, str(tmp_path))]
        assert scopes == ["managed", "project, local", "user"]

    def test_folder(self) -> None:
        """CLAUDE_CONFIG_DIR wins over the home; without both there is none."""
        assert config_folder({"CLAUDE_CONFIG_DIR": "/x", "HOME": "/h"}) == Path("/x")
        assert config_folder({"HOME": "/h"}) == Path("/h/.claude")
        assert config_folder({}) is None

    def test_name(self) -> None:
        """The shell has a name of its own."""
        assert str(SettingsFile("shell", "")) == "the shell's environment"
