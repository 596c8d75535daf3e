"""The mark that every request carries and its answer repeats, so that a mixed-up or invented answer is noticed.

Marks and stamps have a fixed length: templates are rendered once, sizes and all, and only overwritten afterwards.
"""

from __future__ import annotations

import re
from typing import Final

_MARK = re.compile(r"\[\[bench:([a-z_]+):([0-9a-f]{16})\]\]")
_OPENING = b"[[bench:"
_LONGEST = 64

OPENING: Final = _OPENING
"""The text that marks the first token."""

STAMP: Final = re.compile(rb"@(\d{20})@")
"""When a delta was sent: nanoseconds of the monotonic clock, which all processes of a machine share."""

NO_STAMP: Final = b"@" + b"0" * 20 + b"@"


def mark(scenario: str, number: int) -> str:
    """Return the mark of one request; ``number`` is below 2 ** 64."""
    return f"[[bench:{scenario}:{number:016x}]]"


def blank(scenario: str) -> str:
    """Return the mark that stands in a template."""
    return mark(scenario, 0)


def stamp(nanoseconds: int) -> bytes:
    """Return the stamp of one delta."""
    return b"@%020d@" % nanoseconds


def find(body: bytes) -> tuple[str, str] | None:
    """Return the last mark in a request and the name of its scenario."""
    at = body.rfind(_OPENING)
    found = _MARK.match(body[at : at + _LONGEST].decode(errors="replace")) if at >= 0 else None
    return (found[0], found[1]) if found else None
