"""The settings files of Claude Code that hold environment variables, and which of them wins.

In pairs the client was seen (2.1.330) to take managed settings before the project's own local file, that before the
project's shared one, that before the user's, and all of them before the variables of the shell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

MANAGED: Final = Path("/etc/claude-code")
SHELL: Final = "the environment"


@frozen(kw_only=True)
class Source:
    """One place that sets variables.

    :ivar place: its path as people write it, or `SHELL`.
    :ivar unreadable: why the file could not be used, else "".
    """

    place: str
    variables: Mapping[str, str]
    unreadable: str = ""


@frozen(kw_only=True)
class Winner:
    """The value that counts of one variable, and the place that sets it."""

    value: str
    place: str

    @property
    def in_file(self) -> bool:
        """Whether a file sets it, which ``export`` cannot change."""
        return self.place != SHELL


def sources(environ: Mapping[str, str], project: Path, managed: Path = MANAGED) -> list[Source]:
    """Return the places that set variables, the one that wins first."""
    home = Path(environ.get("HOME", "/nonexistent"))
    user = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude")
    drop_ins = sorted((managed / "managed-settings.d").glob("*.json"), reverse=True)
    files = [
        *drop_ins,
        managed / "managed-settings.json",
        project / ".claude" / "settings.local.json",
        project / ".claude" / "settings.json",
        user / "settings.json",
    ]
    found = list(_read(dict.fromkeys(files), home))
    return [*found, Source(place=SHELL, variables=environ)]


def winner(found: list[Source], name: str) -> Winner | None:
    """Return the value of a variable that counts, None if nobody sets it."""
    for source in found:
        if name in source.variables:
            return Winner(value=source.variables[name], place=source.place)
    return None


def _read(files: Mapping[Path, None], home: Path) -> Iterator[Source]:
    for file in files:
        place = f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
        try:
            content = json.JSONDecoder().decode(file.read_text("utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield Source(place=place, variables={}, unreadable=error.strerror or "it cannot be read")
            continue
        except (ValueError, RecursionError):
            yield Source(place=place, variables={}, unreadable="it is not JSON")
            continue
        variables = content.get("env") if isinstance(content, dict) else None
        if isinstance(variables, dict):
            yield Source(place=place, variables={str(name): str(value) for name, value in variables.items()})
