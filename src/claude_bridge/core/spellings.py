r"""Finds a credential in a text in every spelling that programs on the way may give it.

Unchanged, in any case, in quotes, inside a JSON or Python string (``\u0073``, ``\x73``, ``\/``), in a URL (``%73``) or
in HTML (``&#115;``, ``&amp;``), and in several of these layers at once. A credential that is split, reversed or
shortened is not found; such a piece cannot be told from an ordinary word.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen

MAX_LAYERS: Final = 3
"""Layers of escapes that are undone: a URL inside JSON inside the JSON of a gateway has three."""

_IN_STRING: Final = r"\\(?:[uU](?P<u>[0-9A-Fa-f]{4})|[xX](?P<x>[0-9A-Fa-f]{2})|(?P<sign>[\"'/\\abfnrtv0]))"
_IN_URL: Final = r"%(?P<url>[0-9A-Fa-f]{2})"
_IN_HTML: Final = r"(?P<html>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)"
_ESCAPES: Final = tuple(
    re.compile(each) for each in (f"{_IN_STRING}|{_IN_URL}|{_IN_HTML}", _IN_STRING, _IN_URL, _IN_HTML)
)
"""All kinds of escapes together, as layers may mix them; and each kind alone, as a credential may contain characters
that look like an escape of another kind."""

_SIGNS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "a": "\a", "0": "\0"}
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]*")
_INSIDE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
"""Characters of a token. A credential is not looked for in the middle of a longer token, or a key "notification"
would blank half of every "notifications"."""


@frozen
class _Reading:
    """A text with some layers of escapes undone.

    :ivar starts: where in the original each character begins, and where the last one ends; None for the original.
    """

    text: str
    starts: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of this text stands in the original."""
        return (start, end) if self.starts is None else (self.starts[start], self.starts[end])

    def undone(self, escape: re.Pattern[str]) -> _Reading | None:
        """Return the text with one more layer of escapes undone, or None if there is nothing to undo."""
        parts: list[str] = []
        starts: list[int] = []
        at = 0
        for found in escape.finditer(self.text):
            meant = _unescaped(found)
            parts += (self.text[at : found.start()], meant)
            starts += range(at, found.start())
            starts += [found.start()] * len(meant)
            at = found.end()
        if not parts:
            return None
        parts.append(self.text[at:])
        starts += range(at, len(self.text) + 1)
        before = self.starts
        return _Reading("".join(parts), starts if before is None else [before[start] for start in starts])


def lowered(text: str) -> str:
    """Return ``text`` in lower case with every character at its old position."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(each.lower() if each.isascii() else each for each in text)


def may_be_escaped(text: str) -> bool:
    """Return whether anything in ``text`` could be an escape."""
    return "\\" in text or "%" in text or "&" in text


def spans(text: str, credentials: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield where any of ``credentials`` stands in ``text``, in any order. They must be in lower case (`lowered`)."""
    sought = tuple(credentials)
    for reading in _readings(text):
        lower = lowered(reading.text)
        for each in sought:
            for start in _occurrences(lower, each):
                yield reading.span(start, start + len(each))


def _readings(text: str) -> Iterator[_Reading]:
    """Yield ``text`` unchanged and with layers of escapes undone, without duplicates."""
    yield _Reading(text)
    seen = {text}
    for escape in _ESCAPES:
        reading = _Reading(text).undone(escape)
        for _ in range(MAX_LAYERS):
            if reading is None or reading.text in seen:
                break
            seen.add(reading.text)
            yield reading
            reading = reading.undone(escape)


def _occurrences(lower: str, credential: str) -> Iterator[int]:
    """Yield the positions at which the credential stands as a whole token, not inside a longer one."""
    begins, ends = credential[0] in _INSIDE, credential[-1] in _INSIDE
    at = lower.find(credential)
    while at >= 0:
        end = at + len(credential)
        inside = begins and at > 0 and lower[at - 1] in _INSIDE
        goes_on = ends and end < len(lower) and lower[end] in _INSIDE
        if not inside and not goes_on:
            yield at
            after = end
        else:  # continue after this token, not at its next character: a hostile text would make that quadratic
            token = _TOKEN.match(lower, at)
            after = max(at + 1, token.end() if token is not None else 0)
        at = lower.find(credential, after)


def _unescaped(found: re.Match[str]) -> str:
    """Return the character that an escape stands for."""
    kind, escaped = found.lastgroup, found[found.lastgroup or 0]
    if kind == "sign":
        return _SIGNS.get(escaped, escaped)
    return html.unescape(escaped) if kind == "html" else chr(int(escaped, 16))
