"""Where variables are set for Claude Code, in its settings files or the shell, and which place decides.

The files and their order are in `claude_bridge.config.claude_settings`, for the doctor reads them too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from attrs import field, frozen

from claude_bridge.client.settings_text import InvalidSettings, parsed
from claude_bridge.config.claude_settings import (
    MANAGED,
    Scope,
    SettingsFile,
    config_folder,
    project_file,
    settings_files,
    user_file,
)

__all__ = [
    "MANAGED",
    "MAX_BYTES",
    "Scope",
    "SetHere",
    "SettingsFile",
    "VariablesFound",
    "config_folder",
    "find_variables",
    "over_shell",
    "project_file",
    "settings_files",
    "user_file",
]

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the largest settings file that is read."""

_ENV: Final = "env"


@frozen
class SetHere:
    """One place where a variable is set.

    :ivar key: the member of the file, such as ``env.ANTHROPIC_BASE_URL``; the variable itself for the shell.
    """

    file: SettingsFile
    key: str
    value: str = field(repr=False)


@frozen
class VariablesFound:
    """Where variables are set.

    :ivar places: the places of each variable that is set somewhere, the one that wins first.
    :ivar problems: the files that cannot be read, each with the reason.
    """

    places: Mapping[str, tuple[SetHere, ...]]
    problems: tuple[str, ...]

    def winner(self, name: str) -> SetHere | None:
        """Return the place that decides about a variable, or None if it is set nowhere."""
        return next(iter(self.places.get(name, ())), None)

    def stronger(self, name: str, than: Scope) -> SetHere | None:
        """Return the place that beats a value set in a scope, or None if that value counts."""
        order = get_args(Scope)
        found = self.winner(name)
        return found if found is not None and order.index(found.file.scope) < order.index(than) else None


def find_variables(
    names: Collection[str], environ: Mapping[str, str], folder: Path, managed: str = MANAGED
) -> VariablesFound:
    """Return where the variables are set for a Claude Code that is started in ``folder`` with ``environ``.

    A file that cannot be read, or is no JSON, is among the problems; the others count all the same.
    """
    places: dict[str, list[SetHere]] = {}
    problems = []
    for file in settings_files(environ, folder, managed):
        try:
            variables = _variables(Path(file.path))
        except (OSError, InvalidSettings) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            problems.append(f"{file.path}: {reason}")
            continue
        for name in names:
            if name in variables:
                places.setdefault(name, []).append(SetHere(file, f"{_ENV}.{name}", _text(variables[name])))
    for name in names:
        if name in environ:
            places.setdefault(name, []).append(SetHere(SettingsFile("shell", ""), name, environ[name]))
    return VariablesFound({name: tuple(found) for name, found in places.items()}, tuple(problems))


def over_shell(exported: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> list[str]:
    """Return the settings files that give exported variables other values, each as ``FILE sets KEY, KEY``.

    Of several files that set a variable only the one that wins is among them.
    """
    found = find_variables(exported, environ, folder)
    keys: dict[str, list[str]] = {}
    for name, value in exported.items():
        winner = found.stronger(name, "shell")
        if winner is not None and winner.value != value:
            keys.setdefault(str(winner.file), []).append(winner.key)
    return [f"{file} sets {', '.join(names)}" for file, names in keys.items()]


def _variables(path: Path) -> dict[str, Any]:
    """Return the ``env`` of a settings file; empty without such a file. Raises `OSError` and `InvalidSettings`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if len(content) > MAX_BYTES:
        raise InvalidSettings(f"it is larger than {MAX_BYTES} bytes")
    text = content.decode("utf-8", "replace")
    settings = parsed(text) if text.strip("\ufeff \t\r\n") else {}
    if not isinstance(settings, dict):
        raise InvalidSettings("settings are one JSON object, in braces")
    variables = settings.get(_ENV, {})
    if not isinstance(variables, dict):
        raise InvalidSettings(f"{_ENV} is not an object, in braces")
    return variables


def _text(value: object) -> str:
    """Return a variable's value as a process gets it."""
    return value if isinstance(value, str) else str(value)
