"""Reading a syntax from text that arrives in pieces: each piece is looked at once, wherever it was cut.

A syntax is a generator. It asks the cursor for what must come next with ``yield from``; the cursor yields None
while it needs more text, and decides only what more text cannot change. So the result does not depend on the
cuts. The syntax itself yields the calls it has read, and stops with `NotACall` where the text is none of it.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from io import StringIO
from typing import Final, TypeVar

from attrs import define, field, frozen

MAX_HEADER_CHARACTERS: Final = 256
"""Characters of a name or a tag's attributes: tool names have at most 128, so more is no call."""

MAX_GAP_CHARACTERS: Final = 64
"""White space that is looked through behind a closing tag to see what follows: no template writes more."""

_VALUE: Final = 12
"""Work for a look at what follows a closing tag."""

_blank: Final = re.compile(r"[ \t\r\n]*+").match
_gap: Final = re.compile(rf"[ \t\r\n]{{0,{MAX_GAP_CHARACTERS}}}+").match
_word: Final = re.compile(rf"[\w.:/-]{{0,{MAX_HEADER_CHARACTERS}}}+").match
_in_string: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL).match
_plain: Final = re.compile(r'[^"{}\[\]]*+').match

T = TypeVar("T")


@frozen
class ParsedCall:
    """A call as it was read; ``arguments`` should be an object, which is for others to judge."""

    name: str
    arguments: object


Steps = Generator[tuple[ParsedCall, ...] | None, None, T]
"""Yields None to wait for text, or calls that stand or fall together; returns what was read."""


class NotACall(Exception):
    """The text is not written in this syntax after all, or it ended too early."""


@define
class Cursor:
    """A place in the text behind an opening marker.

    :ivar opening: the marker, which counts as consumed.
    :ivar ended: no more text will come.
    :ivar held: characters since the last call.
    :ivar work: what was done beyond a look at the text, in halves of a microsecond.
    """

    opening: str
    ended: bool = field(default=False, init=False)
    held: int = field(init=False)
    work: int = field(default=0, init=False)
    _raw: StringIO = field(init=False)
    _window: str = field(default="", init=False)
    _at: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin behind the marker."""
        self._hold(self.opening)

    def feed(self, text: str) -> None:
        """Take more text."""
        self._raw.write(text)
        self.held += len(text)
        self._window = self._window[self._at :] + text
        self._at = 0

    @property
    def rest(self) -> str:
        """Return what is not consumed."""
        return self._window[self._at :]

    def drop(self) -> None:
        """Forget what was consumed."""
        self._hold(self.rest)

    def give_back(self) -> str:
        """Return what was consumed since the last call, as it was written, and forget it."""
        rest = self.rest
        raw = self._raw.getvalue()
        self._hold(rest)
        return raw[: len(raw) - len(rest)]

    def _hold(self, text: str) -> None:
        self._raw = StringIO()
        self._raw.write(text)
        self.held = len(text)

    def _wait(self) -> Steps[None]:
        if self.ended:
            raise NotACall
        yield None

    def peek(self) -> Steps[str]:
        """Return the next character, or nothing at the end."""
        while self._at >= len(self._window):
            if self.ended:
                return ""
            yield None
        return self._window[self._at]

    def blank(self) -> Steps[None]:
        """Consume white space."""
        while True:
            self._at = _blank(self._window, self._at).end()  # type: ignore[union-attr]  # matches the empty string
            if self._at < len(self._window) or self.ended:
                return
            yield None

    def take(self, *options: str) -> Steps[str]:
        """Consume and return the option that comes next, or nothing if none does. None may be another's beginning."""
        longest = max(map(len, options))
        while True:
            rest = self._window[self._at : self._at + longest]
            for option in options:
                if rest.startswith(option):
                    self._at += len(option)
                    return option
            if self.ended or not any(option.startswith(rest) for option in options):
                return ""
            yield None

    def demand(self, *options: str) -> Steps[str]:
        """Consume and return the option that must come next."""
        return (yield from self.take(*options)) or _mismatch()

    def followed(self, *options: str) -> Steps[bool]:
        """Return whether an option comes next, perhaps after white space, and consume nothing."""
        longest = max(map(len, options))
        while True:
            start = _gap(self._window, self._at).end()  # type: ignore[union-attr]  # matches the empty string
            rest = self._window[start : start + longest]
            if rest.startswith(options):
                return True
            if self.ended or not any(option.startswith(rest) for option in options):
                return False
            yield None

    def closed(self, *options: str) -> Steps[bool]:
        """Consume white space and a closing marker; at the end of the answer a cut one, or none at all, will do."""
        yield from self.blank()
        if (yield from self.take(*options)):
            return True
        rest = self.rest
        if self.ended and any(option.startswith(rest) for option in options):
            self._at = len(self._window)
            return True
        return False

    def word(self) -> Steps[str]:
        """Consume a name or the like, maybe an empty one."""
        while True:
            end = _word(self._window, self._at).end()  # type: ignore[union-attr]  # matches the empty string
            if end - self._at >= MAX_HEADER_CHARACTERS:
                raise NotACall
            if end < len(self._window) or self.ended:
                word, self._at = self._window[self._at : end], end
                return word
            yield None

    def header(self, closing: str) -> Steps[str]:
        """Consume a short text on one line up to a marker and the marker; return the text."""
        while True:
            end = self._window.find(closing, self._at, self._at + MAX_HEADER_CHARACTERS + len(closing))
            if end >= 0:
                text, self._at = self._window[self._at : end], end + len(closing)
                return text.strip() if "\n" not in text.strip() else _mismatch()
            if len(self._window) - self._at >= MAX_HEADER_CHARACTERS + len(closing):
                raise NotACall
            yield from self._wait()

    def until(self, closing: str) -> Steps[str]:
        """Consume any text up to a marker and the marker; return the text."""
        taken = StringIO()
        while True:
            end = self._window.find(closing, self._at)
            if end >= 0:
                taken.write(self._window[self._at : end])
                self._at = end + len(closing)
                return taken.getvalue()
            keep = 0 if self.ended else len(closing) - 1
            end = max(self._at, len(self._window) - keep)
            taken.write(self._window[self._at : end])
            self._at = end
            yield from self._wait()

    def value(self, closing: str, *followers: str) -> Steps[str]:
        """Consume a value and its closing tag; return the value.

        One that is written without escapes may hold the closing tag, so it ends where what must follow does follow.
        """
        taken = StringIO()
        while True:
            taken.write((yield from self.until(closing)))
            self.work += _VALUE
            if (yield from self.followed(*followers)):
                return taken.getvalue()
            taken.write(closing)

    def rest_within(self, most: int) -> Steps[str]:
        """Consume and return all that is left of the answer."""
        taken, left = StringIO(), most
        while True:
            piece = self._window[self._at : self._at + left]
            taken.write(piece)
            self._at += len(piece)
            left -= len(piece)
            if self._at < len(self._window):
                raise NotACall
            if self.ended:
                return taken.getvalue()
            yield None

    def json(self) -> Steps[str]:
        """Consume and return a JSON object, or an array of objects, known by its brackets and strings alone."""
        opening = yield from self.demand("{", "[")
        yield from self.blank()
        if (yield from self.peek()) not in (('"', "}") if opening == "{" else ("{", "]")):
            raise NotACall
        taken = StringIO()
        taken.write(opening)
        depth, in_string = 1, False
        while depth:
            end, depth, in_string, steps = _scan(self._window, self._at, depth, in_string)
            self.work += steps
            taken.write(self._window[self._at : end])
            self._at = end
            if depth:
                if end < len(self._window) and not self.ended:
                    yield None  # a backslash, which says nothing without what it stands before
                else:
                    self._at = len(self._window)
                    yield from self._wait()
        return taken.getvalue()


def _mismatch() -> str:
    raise NotACall


def _scan(text: str, at: int, depth: int, in_string: bool) -> tuple[int, int, bool, int]:
    """Go on to the end of a JSON value or of the text, or to a backslash at its end.

    Return place, depth, state, and how many steps it took.
    """
    size, steps = len(text), 0
    while at < size and depth:
        steps += 1
        if in_string:
            at = _in_string(text, at).end()  # type: ignore[union-attr]  # matches the empty string
            if at < size and text[at] == "\\":
                break
            in_string = at >= size
            at += not in_string
            continue
        at = _plain(text, at).end()  # type: ignore[union-attr]  # matches the empty string
        if at < size:
            in_string = text[at] == '"'
            depth += 0 if in_string else 1 if text[at] in "{[" else -1
            at += 1
    return at, depth, in_string, steps
