"""The settings files of Claude Code that count in a folder, in the order in which they win over each other.

Found by running the client (2.1.330, `docs/claude-code.md` 9): the organization's managed settings win, then what
``claude --settings`` names, the project's own ``settings.local.json``, the project's shared ``settings.json``, the
user's ``settings.json``, and last the variables of the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

Scope = Literal["managed", "project, local", "project", "user", "shell"]
"""Whose settings they are, the strongest first."""

MANAGED: Final = "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"
"""Folder of the settings that an organization gives; nobody else can overrule them."""


@frozen
class SettingsFile:
    """A place where Claude Code looks; there need be no file.

    :ivar path: empty for the shell.
    """

    scope: Scope
    path: str

    def __str__(self) -> str:
        """Return what people call it."""
        return self.path or "the shell's environment"


def config_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the user's settings, ``$CLAUDE_CONFIG_DIR`` or ``~/.claude``; None without a home."""
    given = environ.get("CLAUDE_CONFIG_DIR")
    if given:
        return Path(given)
    home = environ.get("HOME")
    return Path(home, ".claude") if home else None


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the user's settings; None without a home."""
    folder = config_folder(environ)
    return None if folder is None else folder / "settings.json"


def project_file(folder: Path) -> Path:
    """Return the path of the settings of a project that are its user's own, and not shared."""
    return folder / ".claude" / "settings.local.json"


def settings_files(environ: Mapping[str, str], folder: Path, managed: str = MANAGED) -> Iterator[SettingsFile]:
    """Yield the files that Claude Code reads when it is started in ``folder``, the strongest first.

    ``claude --settings`` comes after the managed ones, but only its own command line knows what it names.
    """
    drop_ins = sorted(Path(managed, "managed-settings.d").glob("*.json"), reverse=True)
    for path in (*drop_ins, Path(managed, "managed-settings.json")):
        yield SettingsFile("managed", str(path))
    user = user_file(environ)
    yield SettingsFile("project, local", str(project_file(folder)))
    shared = folder / ".claude" / "settings.json"
    if user is None or shared.absolute() != user.absolute():  # in the home folder they are one file
        yield SettingsFile("project", str(shared))
    if user is not None:
        yield SettingsFile("user", str(user))
