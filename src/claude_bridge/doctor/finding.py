"""What a check has found, and the exit status that follows from all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from attrs import field, frozen

Level = Literal["ok", "warning", "fault"]
"""How bad it is: nothing to do, it works with limits, or it does not work."""

EXIT_FINE: Final = 0
EXIT_LIMITED: Final = 1
EXIT_BROKEN: Final = 2


def printable(text: str) -> str:
    """Return a text as one line without control characters: servers and files must not steer a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


@frozen(kw_only=True)
class Finding:
    """The result of one check, or a part of it.

    :ivar number: of the check, in the order in which they are made; people are shown its name alone, as not every
        check applies everywhere.
    :ivar check: what was checked, in a word or two.
    :ivar sentence: what was found; where something is wrong, with what to change. No secret.
    :ivar subject: the section of the configuration that it is about, as ``backend:tower``; "" for none.
    :ivar option: the line that mends it in that section, as ``url = http://gpu:8000/v1``; "" where none does.
    """

    number: int
    check: str
    level: Level
    sentence: str = field(converter=printable)
    subject: str = ""
    option: str = field(default="", converter=printable)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 if something works with limits, 2 if something is broken."""
    levels = {finding.level for finding in findings}
    if "fault" in levels:
        return EXIT_BROKEN
    return EXIT_LIMITED if "warning" in levels else EXIT_FINE
