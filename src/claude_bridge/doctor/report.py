"""A report in the forms in which it is printed: lines for people, one JSON document, lines for the INI file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import asdict, frozen

from claude_bridge.config.variables import SECTION as ENVIRONMENT
from claude_bridge.doctor.finding import Finding, Level, exit_status
from claude_bridge.doctor.origin import COMMAND_LINE

_WORDS: Final[Mapping[Level, str]] = {"ok": "ok", "warning": "warning", "fault": "FAULT"}
_SYMBOLS: Final[Mapping[Level, str]] = {"ok": "\u2713", "warning": "!", "fault": "\u2717"}
_COLOURS: Final[Mapping[Level, str]] = {"ok": "32", "warning": "33", "fault": "31"}
_WORD_WIDTH: Final = max(map(len, _WORDS.values()))
_CHECK_WIDTH: Final = 12

_NOT_IN_FILE: Final = frozenset({ENVIRONMENT, COMMAND_LINE})
_NO_FILE: Final = "# sections are for a configuration file: claude-bridge init writes one"


@frozen(kw_only=True)
class Part:
    """What was found of one backend, of the client, or of the service.

    :ivar title: as ``backend tower``.
    :ivar about: its address, or "".
    """

    title: str
    about: str = ""
    findings: tuple[Finding, ...] = ()


def line(finding: Finding, *, terminal: bool) -> str:
    """Return the line of one finding: symbols and colours on a terminal, else words."""
    level = finding.level
    word = _WORDS[level].ljust(_WORD_WIDTH)
    mark = f"\x1b[{_COLOURS[level]}m{_SYMBOLS[level]}\x1b[0m" if terminal else word
    return f"  {mark} {finding.check.ljust(_CHECK_WIDTH)} {finding.sentence}\n"


def heading(part: Part) -> str:
    """Return the line above the findings of a part."""
    return f"{part.title}  {part.about}\n" if part.about else f"{part.title}\n"


def as_json(parts: Iterable[Part]) -> str:
    """Return one JSON document."""
    told = [asdict(part) for part in parts]
    status = exit_status(_all(parts))
    return json.dumps({"status": status, "parts": told}, indent=2, ensure_ascii=False) + "\n"


def summary(parts: Sequence[Part]) -> str:
    """Return the last line: whether it works."""
    found = list(_all(parts))
    faults = sum(each.level == "fault" for each in found)
    warnings = sum(each.level == "warning" for each in found)
    if not faults and not warnings:
        return "all is well\n"
    counted = [_counted(faults, "fault"), _counted(warnings, "warning")]
    return ", ".join(filter(None, counted)) + "\n"


def fixes(parts: Iterable[Part], *, in_file: bool = True) -> str:
    """Return the lines that mend what was found, under their sections, or under a comment; "" if there are none.

    ``in_file``: whether there is a file for the sections.
    """
    sections: dict[str, list[str]] = {}
    for finding in _all(parts):
        if finding.option and finding.subject:
            lines = sections.setdefault(finding.subject, [])
            if finding.option not in lines:
                lines.append(finding.option)
    text = "\n".join(_titled(section) + "".join(f"{each}\n" for each in lines) for section, lines in sections.items())
    return text if in_file or sections.keys() <= _NOT_IN_FILE else f"{_NO_FILE}\n{text}"


def _titled(subject: str) -> str:
    return f"# {subject}\n" if subject in _NOT_IN_FILE else f"[{subject}]\n"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}" if number else ""


def _all(parts: Iterable[Part]) -> Iterable[Finding]:
    return (finding for part in parts for finding in part.findings)
