"""The mistakes of a configuration, reported all at once.

No message quotes a value: a key pasted into the wrong place would end up in a log. Names of
sections, keys and variables are quoted, they are what a person looks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from attrs import frozen

EXIT_CONFIG: Final = 78
"""``EX_CONFIG`` of sysexits.h; the systemd unit does not start the daemon again after it."""

SHOWN_NAMES = 12
"""Names that a message lists at most: more would bury the message itself."""


@frozen
class Problem:
    """One mistake.

    :ivar section: as in the file, ``backend:chutes``; ``environment`` for variables; empty before the first section.
    :ivar key: key, variable or ``line N``; empty where the section itself is meant.
    """

    section: str
    key: str
    message: str

    @property
    def form(self) -> str:
        """One line, ``[section] key: problem``, as far as there is one of each, for `str.format`."""
        where = " ".join(["[{section}]"] * bool(self.section) + ["{key}"] * bool(self.key))
        return f"{where}: {{problem}}" if where else "{problem}"

    def __str__(self) -> str:
        """Return that line."""
        return self.form.format(section=self.section, key=self.key, problem=self.message)


@frozen
class ConfigErrors(Exception):
    """Every mistake of one configuration, in the order of the file."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """Return one line per problem."""
        return "\n".join(str(problem) for problem in self.problems)


def nearest(wrong: str, valid: Iterable[str]) -> str | None:
    """Return the one of ``valid`` that ``wrong`` probably meant, whatever its case."""
    by_lower = {name.lower(): name for name in valid}
    near = get_close_matches(wrong.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def suggestion(wrong: str, valid: Iterable[str]) -> str:
    """Return ``did you mean X?`` for the nearest of ``valid``, or all of them if none is near."""
    names = sorted(valid)
    near = nearest(wrong, names)
    if near:
        return f"did you mean {near}?"
    if not names:
        return "there is none"
    shown = ", ".join(names[:SHOWN_NAMES])
    return f"valid: {shown}{', ...' if len(names) > SHOWN_NAMES else ''}"


def not_allowed(wrong: str, words: Sequence[str]) -> str:
    """Return the message for a word that is not one of ``words``, with all of them to choose from."""
    near = nearest(wrong, words)
    if near:
        return f"did you mean {near}? (must be one of: {', '.join(words)})"
    return f"must be one of: {', '.join(sorted(words))}"
