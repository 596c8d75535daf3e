"""The settings files of Claude Code that count in a folder, and which of them decides about a variable.

Found by running the client (2.1.330, `docs/claude-code.md` 9): the organization's managed settings win, then what
``claude --settings`` names, the project's own ``settings.local.json``, the project's shared ``settings.json``, the
user's ``settings.json``, and last the variables of the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from attrs import field, frozen

from claude_bridge.client.settings_text import InvalidSettings, parsed

Scope = Literal["managed", "project, local", "project", "user", "shell"]
"""Whose settings they are, the strongest first."""

MANAGED: Final = "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"
"""Folder of the settings that an organization gives; nobody else can overrule them."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the largest settings file that is read."""

_ENV: Final = "env"


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
