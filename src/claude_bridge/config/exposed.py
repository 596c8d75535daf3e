"""Keys that stand in a file which others can read too: worth a warning, never a reason not to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import Attribute

from claude_bridge.config.expand import has_variable
from claude_bridge.config.fields import plain_type
from claude_bridge.config.ini import Lines
from claude_bridge.config.problems import Problem
from claude_bridge.config.secret import Secret
from claude_bridge.config.sections import KINDS
from claude_bridge.core.redaction import carries_credential

Mode: TypeAlias = Callable[[str], int]
"""Gives the permission bits of the file at a path; raises `OSError`."""

OTHERS: Final = 0o077
"""The bits that let group and others in; ssh asks the same of a private key."""

_ELSEWHERE: Final = ("file:", "credential:")


def file_mode(path: str) -> int:
    """Return the permission bits of a real file. Raises `OSError`."""
    return Path(path).stat().st_mode & 0o777


def exposed(sections: Mapping[str, Mapping[str, Lines]], path: str, mode: Mode) -> tuple[Problem, ...]:
    """Return a warning for each key that ``path`` has written out, if others can read that file.

    ``sections``: of a configuration that is valid.
    """
    found = tuple(_written_out(sections))
    if not found or not _open_to_others(path, mode):
        return ()
    message = f"is written out in a file that others can read: chmod 600 {path}"
    return tuple(Problem(section, key, message) for section, key in found)


def _open_to_others(path: str, mode: Mode) -> bool:
    try:
        return bool(mode(path) & OTHERS)
    except OSError:  # it was read a moment ago; whatever became of it is no fault of the configuration
        return False


def _written_out(sections: Mapping[str, Mapping[str, Lines]]) -> Iterator[tuple[str, str]]:
    for section, entries in sections.items():
        known = {key.name: key for key in KINDS[section.partition(":")[0]].keys}
        for name, lines in entries.items():
            if any(_holds_key(known[name], line) for line in lines):
                yield section, name


def _holds_key(attribute: Attribute[Any], line: str) -> bool:
    """Return whether a line is a key itself, not the place where it is."""
    if attribute.metadata["shape"] == "header":
        name, _, value = (part.strip() for part in line.partition(":"))
        return carries_credential(name) and bool(value) and not has_variable(value)
    return plain_type(attribute) is Secret and not has_variable(line) and not line.startswith(_ELSEWHERE)
