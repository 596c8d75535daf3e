"""INI text -> sections of raw lines, with every syntax mistake at once.

Written by hand because ``configparser`` stops at the first duplicate, spreads ``[DEFAULT]`` over all
sections and takes ``:`` for a delimiter. The rules: ``[section]`` alone on its line; ``key = value``
with ``=`` only; keys in lower case; ``#`` or ``;`` begins a comment line; an indented line continues
the value above; blank lines mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from attrs import define, field, frozen

from claude_bridge.config.foreign_files import foreign_file
from claude_bridge.config.problems import Problem

Lines: TypeAlias = tuple[str, ...]
"""The lines of one value, each stripped, none empty; no line at all for ``key =``."""

_KEY = re.compile(r"[A-Za-z_-]+")
"""No digits: a secret that lost its key and ends in ``=`` must not be shown as the name of an unknown key."""


@frozen
class Ini:
    """The content of a text: section -> key -> lines, in the order of the file, and its mistakes."""

    sections: Mapping[str, Mapping[str, Lines]]
    problems: tuple[Problem, ...]


@define
class _Reading:
    sections: dict[str, dict[str, list[str]]] = field(factory=dict)
    problems: list[Problem] = field(factory=list)
    _section: str = ""
    _value: list[str] | None = None

    def feed(self, number: int, line: str) -> None:
        """Parse line ``number``, counted from 1."""
        text = line.strip()
        if not text or text[0] in "#;":
            return
        if line[0] in " \t":
            self._continue(number, text)
        elif text[0] == "[":
            self._open(number, text)
        else:
            self._assign(number, text)

    def _complain(self, key: str, message: str) -> None:
        self.problems.append(Problem(self._section, key, message))

    def _continue(self, number: int, text: str) -> None:
        if self._value is None:
            self._complain(f"line {number}", "is indented, but there is no key above that it could continue")
        else:
            self._value.append(text)

    def _open(self, number: int, text: str) -> None:
        self._value = None
        self._section = text[1 : text.rfind("]")] if "]" in text else text[1:]
        if not text.endswith("]"):
            self._complain(f"line {number}", "a section is [name] alone on its line")
        if self._section in self.sections:
            self._complain("", f"duplicate section (also on line {number})")
        self.sections.setdefault(self._section, {})

    def _assign(self, number: int, text: str) -> None:
        written, delimiter, value = (part.strip() for part in text.partition("="))
        key = written.lower()
        self._value = [value] if value else []
        if not delimiter or not _KEY.fullmatch(key):
            self._complain(
                f"line {number}",
                "not INI: must be `key = value` (letters and _ in the key), [section], a comment or an indented line",
            )
        elif self._section not in self.sections:
            self._complain(key, f"stands before the first [section], in line {number}")
        elif key in self.sections[self._section]:
            self._complain(key, f"duplicate key (also on line {number})")
        else:
            self.sections[self._section][key] = self._value
            if written != key:
                self._complain(written, f"keys are written in lower case: {key}")


def read_ini(text: str) -> Ini:
    """Return the parsed ``text``; never fails, mistakes are in `Ini.problems`."""
    reading, text = _Reading(), text.removeprefix("\ufeff")
    foreign = foreign_file(text)
    if foreign is not None:
        instead = (
            "`claude-bridge import FILE` makes an INI file from it"
            if foreign.can_be_imported
            else "claude-bridge reads INI files (etc/claude-bridge.ini is an example)"
        )
        return Ini({}, (Problem("", "", f"this is {foreign.value}: {instead}"),))
    for number, line in enumerate(text.split("\n"), start=1):
        reading.feed(number, line)
    sections = {
        name: {key: tuple(lines) for key, lines in entries.items()} for name, entries in reading.sections.items()
    }
    return Ini(sections, tuple(reading.problems))
