"""A cursor over text that arrives in pieces, for parsers whose result does not depend on where it was cut.

A parser is a generator. It consumes text through the cursor's methods with ``yield from``; these yield None while they
need more text, and decide only what more text cannot change. The parser itself yields the calls it has parsed, and
raises `NotACall` if the text is not written in its syntax::

    text --> append --> parser runs --+-- yields None: it waits for the next append
                                      +-- yields calls: they are recovered; it runs on
                                      +-- returns: done; `rest` is what follows the calls
                                      +-- raises NotACall: `release` returns what was consumed, as text
"""

from __future__ import annotations

import re
from collections.abc import Generator
from io import StringIO
from typing import Final, TypeVar

from attrs import define, field, frozen

MAX_HEADER_CHARACTERS: Final = 256
"""Characters of a name or a tag's attributes: tool names have at most 128, so a longer one is not a call."""

MAX_GAP_CHARACTERS: Final = 64
"""Characters of white space after a closing tag within which the next tag is looked for: no template writes more."""

_VALUE_WORK: Final = 12
"""Work units for checking what follows a closing tag."""

_blank: Final = re.compile(r"[ \t\r\n]*+").match
_gap: Final = re.compile(rf"[ \t\r\n]{{0,{MAX_GAP_CHARACTERS}}}+").match
_word: Final = re.compile(rf"[\w.:/-]{{0,{MAX_HEADER_CHARACTERS}}}+").match
_in_string: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL).match
_outside_run: Final = re.compile(r'[^"{}\[\]]*+').match

T = TypeVar("T")


@frozen
class ParsedCall:
    """A parsed call; ``arguments`` should be an object, which is checked elsewhere."""

    name: str
    arguments: object


Parser = Generator[tuple[ParsedCall, ...] | None, None, T]
"""Yields None to wait for text, or calls of which all or none are recovered; returns what was parsed."""


class NotACall(Exception):
    """The text is not written in this syntax after all, or it ended too early."""


@define
class Cursor:
    """A position in the text after an opening marker.

    :ivar opening: the marker, which counts as consumed.
    :ivar ended: whether the text is complete.
    :ivar held: characters since the last call.
    :ivar work: work besides searching the text, in units of half a microsecond.
    """

    opening: str
    ended: bool = field(default=False, init=False)
    held: int = field(init=False)
    work: int = field(default=0, init=False)
    _raw: StringIO = field(init=False)
    _window: str = field(default="", init=False)
    _position: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Start with the marker as consumed."""
        self._restart(self.opening)

    def append(self, text: str) -> None:
        """Append more text."""
        self._raw.write(text)
        self.held += len(text)
        self._window = self._window[self._position :] + text
        self._position = 0

    @property
    def rest(self) -> str:
        """Return the text that is not consumed."""
        return self._window[self._position :]

    def discard_consumed(self) -> None:
        """Discard the text that was consumed."""
        self._restart(self.rest)

    def release(self) -> str:
        """Return the text that was consumed since the last call, unchanged, and discard it."""
        rest = self.rest
        raw = self._raw.getvalue()
        self._restart(rest)
        return raw[: len(raw) - len(rest)]

    def _restart(self, text: str) -> None:
        self._raw = StringIO()
        self._raw.write(text)
        self.held = len(text)

    def _wait(self) -> Parser[None]:
        if self.ended:
            raise NotACall
        yield None

    def peek(self) -> Parser[str]:
        """Return the next character, or "" at the end."""
        while self._position >= len(self._window):
            if self.ended:
                return ""
            yield None
        return self._window[self._position]

    def skip_blank(self) -> Parser[None]:
        """Consume white space."""
        while True:
            self._position = _blank(self._window, self._position).end()  # type: ignore[union-attr]  # matches the empty string
            if self._position < len(self._window) or self.ended:
                return
            yield None

    def accept(self, *options: str) -> Parser[str]:
        """Consume and return the option that comes next, or return "". No option may be a prefix of another."""
        longest = max(map(len, options))
        while True:
            rest = self._window[self._position : self._position + longest]
            for option in options:
                if rest.startswith(option):
                    self._position += len(option)
                    return option
            if self.ended or not any(option.startswith(rest) for option in options):
                return ""
            yield None

    def expect(self, *options: str) -> Parser[str]:
        """Consume and return the option that comes next; raises `NotACall` if none does."""
        return (yield from self.accept(*options)) or _not_a_call()

    def is_followed_by(self, *options: str) -> Parser[bool]:
        """Return whether an option comes next, possibly after white space; consumes nothing."""
        longest = max(map(len, options))
        while True:
            start = _gap(self._window, self._position).end()  # type: ignore[union-attr]  # matches the empty string
            rest = self._window[start : start + longest]
            if rest.startswith(options):
                return True
            if self.ended or not any(option.startswith(rest) for option in options):
                return False
            yield None

    def accept_closing(self, *options: str) -> Parser[bool]:
        """Consume white space and a closing marker, which may be cut off or missing at the end of the answer."""
        yield from self.skip_blank()
        if (yield from self.accept(*options)):
            return True
        rest = self.rest
        if self.ended and any(option.startswith(rest) for option in options):
            self._position = len(self._window)
            return True
        return False

    def read_word(self) -> Parser[str]:
        """Consume and return a name or the like, maybe an empty one."""
        while True:
            end = _word(self._window, self._position).end()  # type: ignore[union-attr]  # matches the empty string
            if end - self._position >= MAX_HEADER_CHARACTERS:
                raise NotACall
            if end < len(self._window) or self.ended:
                word, self._position = self._window[self._position : end], end
                return word
            yield None

    def read_header(self, closing: str) -> Parser[str]:
        """Consume a short text on one line and the marker after it; return the text."""
        while True:
            end = self._window.find(closing, self._position, self._position + MAX_HEADER_CHARACTERS + len(closing))
            if end >= 0:
                text, self._position = self._window[self._position : end], end + len(closing)
                return text.strip() if "\n" not in text.strip() else _not_a_call()
            if len(self._window) - self._position >= MAX_HEADER_CHARACTERS + len(closing):
                raise NotACall
            yield from self._wait()

    def read_until(self, closing: str) -> Parser[str]:
        """Consume any text up to a marker, and the marker; return the text."""
        consumed = StringIO()
        while True:
            end = self._window.find(closing, self._position)
            if end >= 0:
                consumed.write(self._window[self._position : end])
                self._position = end + len(closing)
                return consumed.getvalue()
            keep = 0 if self.ended else len(closing) - 1
            end = max(self._position, len(self._window) - keep)
            consumed.write(self._window[self._position : end])
            self._position = end
            yield from self._wait()

    def read_value(self, closing: str, *followers: str) -> Parser[str]:
        """Consume a value and its closing tag; return the value.

        Values are written without escapes and may contain the closing tag, so only one with a follower after it counts.
        """
        consumed = StringIO()
        while True:
            consumed.write((yield from self.read_until(closing)))
            self.work += _VALUE_WORK
            if (yield from self.is_followed_by(*followers)):
                return consumed.getvalue()
            consumed.write(closing)

    def read_rest(self, most: int) -> Parser[str]:
        """Consume and return the rest of the answer; raises `NotACall` if it has more than ``most`` characters."""
        consumed, left = StringIO(), most
        while True:
            piece = self._window[self._position : self._position + left]
            consumed.write(piece)
            self._position += len(piece)
            left -= len(piece)
            if self._position < len(self._window):
                raise NotACall
            if self.ended:
                return consumed.getvalue()
            yield None

    def read_json(self) -> Parser[str]:
        """Consume and return a JSON object or an array of objects, delimited by counting brackets outside strings."""
        opening = yield from self.expect("{", "[")
        yield from self.skip_blank()
        if (yield from self.peek()) not in (('"', "}") if opening == "{" else ("{", "]")):
            raise NotACall
        consumed = StringIO()
        consumed.write(opening)
        depth, in_string = 1, False
        while depth:
            end, depth, in_string, steps = _scan(self._window, self._position, depth, in_string)
            self.work += steps
            consumed.write(self._window[self._position : end])
            self._position = end
            if depth:
                if end < len(self._window) and not self.ended:
                    yield None  # a backslash, which cannot be skipped before the next character is known
                else:
                    self._position = len(self._window)
                    yield from self._wait()
        return consumed.getvalue()


def _not_a_call() -> str:
    raise NotACall


def _scan(text: str, at: int, depth: int, in_string: bool) -> tuple[int, int, bool, int]:
    """Advance to the end of a JSON value or of the text, or to a backslash at its end.

    Return the position, the depth, whether it is inside a string, and the number of steps.
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
        at = _outside_run(text, at).end()  # type: ignore[union-attr]  # matches the empty string
        if at < size:
            in_string = text[at] == '"'
            depth += 0 if in_string else 1 if text[at] in "{[" else -1
            at += 1
    return at, depth, in_string, steps
