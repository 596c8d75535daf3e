"""The variables in the settings files of Claude Code, and which of the places that set one wins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from claude_bridge.config.claude_settings import MANAGED, settings_files

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


def sources(environ: Mapping[str, str], project: Path, managed: str = MANAGED) -> list[Source]:
    """Return the places that set variables, the one that wins first."""
    home = Path(environ.get("HOME", "/nonexistent"))
    files = [Path(file.path) for file in settings_files(environ, project, managed)]
    return [*_read(files, home), Source(place=SHELL, variables=environ)]


def winner(found: list[Source], name: str) -> Winner | None:
    """Return the value of a variable that counts, None if nobody sets it."""
    for source in found:
        if name in source.variables:
            return Winner(value=source.variables[name], place=source.place)
    return None


def _read(files: Iterable[Path], home: Path) -> Iterator[Source]:
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
