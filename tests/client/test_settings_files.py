"""Promises of looking for variables: every file that Claude Code reads, in its order, and no file is fatal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claude_bridge.client.settings_files import Scope, SettingsFile, find_variables, over_shell, settings_files

URL = "ANTHROPIC_BASE_URL"
FILES: dict[str, Scope] = {
    "managed/managed-settings.json": "managed",
    "project/.claude/settings.local.json": "project, local",
    "project/.claude/settings.json": "project",
    "home/.claude/settings.json": "user",
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user with a home, in which folders for all files are."""
    for name in (*FILES, "managed/managed-settings.d/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(tmp_path / "home")}


def write(path: Path, **variables: object) -> None:
    """Write a settings file with variables."""
    path.write_text(json.dumps({"env": variables}))


class FindVariablesTests:
    """Which file wins."""

    def test_order(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Managed settings beat the project's own, these the shared ones, these the user's, and these the shell."""
        for name in FILES:
            write(tmp_path / name, **{URL: name})
        environ[URL] = "shell"
        for at, name in enumerate(FILES):
            found = find_variables([URL, "OTHER"], environ, tmp_path / "project", str(tmp_path / "managed"))
            winner = found.winner(URL)
            assert winner is not None
            assert (winner.file, winner.key) == (SettingsFile(FILES[name], str(tmp_path / name)), f"env.{URL}")
            assert [place.value for place in found.places[URL]] == [*list(FILES)[at:], "shell"]
            assert found.winner("OTHER") is None
            assert not found.problems
            (tmp_path / name).unlink()
        found = find_variables([URL], environ, tmp_path / "project", str(tmp_path / "managed"))
        assert [(str(place.file), place.key) for place in found.places[URL]] == [("the shell's environment", URL)]

    def test_stronger(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A place beats those that come after it, not itself and not those before it."""
        write(tmp_path / "project/.claude/settings.json", **{URL: "shared"})
        found = find_variables([URL], environ, tmp_path / "project", str(tmp_path / "managed"))
        beaten = [
            scope for scope in ("managed", "project, local", "project", "user", "shell") if found.stronger(URL, scope)
        ]
        assert beaten == ["user", "shell"]

    def test_drop_ins(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Managed drop-ins are read too, the last one first."""
        for name in ("10-a.json", "50-b.json", "60-c.txt"):
            write(tmp_path / "managed/managed-settings.d" / name, **{URL: name})
        found = find_variables([URL], environ, tmp_path, str(tmp_path / "managed"))
        assert [place.value for place in found.places[URL]] == ["50-b.json", "10-a.json"]

    def test_config_dir(self, environ: dict[str, str], tmp_path: Path) -> None:
        """`$CLAUDE_CONFIG_DIR` has the user's settings instead of the home."""
        write(tmp_path / "home/.claude/settings.json", **{URL: "home"})
        write(tmp_path / "settings.json", **{URL: "elsewhere"})
        found = find_variables([URL], environ | {"CLAUDE_CONFIG_DIR": str(tmp_path)}, tmp_path / "project")
        assert [place.value for place in found.places[URL]] == ["elsewhere"]

    def test_home_as_project(self, environ: dict[str, str], tmp_path: Path) -> None:
        """In the home folder the project's shared file is the user's: it is one place."""
        write(tmp_path / "home/.claude/settings.json", **{URL: "home"})
        found = find_variables([URL], environ, tmp_path / "home")
        assert [place.file.scope for place in found.places[URL]] == ["user"]

    def test_no_home(self, tmp_path: Path) -> None:
        """Without a home there are no settings of a user."""
        assert [file.scope for file in settings_files({}, tmp_path, "/nowhere")] == [
            "managed",
            "project, local",
            "project",
        ]

    def test_values(self, environ: dict[str, str], tmp_path: Path) -> None:
        """A number is the text that a process gets; an empty text is a value, and no repr shows one."""
        write(tmp_path / "home/.claude/settings.json", N=5, EMPTY="", TOKEN="sk-1")
        found = find_variables(["N", "EMPTY", "TOKEN"], environ, tmp_path)
        assert {name: place[0].value for name, place in found.places.items()} == {
            "N": "5",
            "EMPTY": "",
            "TOKEN": "sk-1",
        }
        assert "sk-1" not in repr(found)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b'{\n// mine\n"env": {}}', "line 2, column 1: a comment is not allowed"),
            (b"[]", "settings are one JSON object"),
            (b'{"env": []}', "env is not an object"),
            (b'{"env"', "this is not JSON"),
            (b"[" * 100_000, "nested too deeply"),
            (None, "Is a directory"),
        ],
    )
    def test_broken_file(self, content: bytes | None, told: str, environ: dict[str, str], tmp_path: Path) -> None:
        """A file that cannot be used is told with its path, and the others count."""
        path = tmp_path / "project/.claude/settings.local.json"
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        write(tmp_path / "home/.claude/settings.json", **{URL: "home"})
        found = find_variables([URL], environ, tmp_path / "project")
        assert [place.value for place in found.places[URL]] == ["home"]
        (problem,) = found.problems
        assert problem.startswith(f"{path}: ")
        assert told in problem

    @pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf\r\n", b"{}", b'{"model": "opus"}'])
    def test_no_variables(self, content: bytes, environ: dict[str, str], tmp_path: Path) -> None:
        """A file without variables, an empty one too, is no problem."""
        (tmp_path / "home/.claude/settings.json").write_bytes(content)
        found = find_variables([URL], environ, tmp_path)
        assert (dict(found.places), found.problems) == ({}, ())


class OverShellTests:
    """What beats exported variables."""

    def test_files(self, environ: dict[str, str], tmp_path: Path) -> None:
        """Each file that wins is named once, with the variables that it gives other values."""
        user, local = tmp_path / "home/.claude/settings.json", tmp_path / "project/.claude/settings.local.json"
        write(user, A="other", B="other", C="same", ANTHROPIC_API_KEY="sk-1")
        write(local, B="third")
        exported = {"A": "1", "B": "2", "C": "same", "D": "4", "ANTHROPIC_API_KEY": ""}
        environ |= {"D": "shell"}
        assert over_shell(exported, environ, tmp_path / "project") == [
            f"{user} sets env.A, env.ANTHROPIC_API_KEY",
            f"{local} sets env.B",
        ]
        assert over_shell({"D": "4"}, environ, tmp_path) == []
