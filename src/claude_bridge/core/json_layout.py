"""Where the values of a JSON text stand, so that some can be replaced or cut out while every other byte stays.

A text is decoded one level at a time, which gives each value's own bytes, and its members are then walked in order:
each value must stand exactly where the walk has arrived, and a comma or the end must follow it. As two JSON values that
are followed by one of these cannot begin at the same byte, no wrong place can be found; only a member that stands twice
in an object, whose values differ, is not where it is expected, and is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import msgspec
from attrs import define, field
from msgspec import Raw

from claude_bridge.core import strict_json
from claude_bridge.core.errors import InvalidRequest

MAX_MEMBERS: Final = 10_000
"""Members of an object that are walked; a request has two dozen."""

MAX_REST_BYTES: Final = 2 << 20
"""Bytes of a request beside its messages, system prompt and tools; a few hundred are usual."""

_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_values: Final = msgspec.json.Decoder(list[Raw])

_SPACE: Final = rb"[ \t\n\r]*+"
_OPENING: Final = re.compile(_SPACE + rb"[\[{]" + _SPACE)
_KEY: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"' + _SPACE + b":" + _SPACE)
_NEXT: Final = re.compile(_SPACE + rb"([,\]}])" + _SPACE)


class Element(NamedTuple):
    """A value of a list: its own bytes, and where they begin and end in the text."""

    raw: Raw
    start: int
    end: int


class Member(NamedTuple):
    """A member of an object: where its key begins, and its value as in `Element`."""

    key: str
    key_start: int
    raw: Raw
    start: int
    end: int


class _Large(msgspec.Struct):
    """The fields of a request that may be large."""

    messages: Raw = Raw()
    system: Raw = Raw()
    tools: Raw = Raw()


_large: Final = msgspec.json.Decoder(_Large)


def check_rest(body: bytes) -> None:
    """Raise `InvalidRequest` for a request of which the fields that are never large are.

    To be called before `members`, which finds two MB of the smallest fields in 60 ms.
    """
    if len(body) <= MAX_REST_BYTES:
        return
    try:
        large = _large.decode(body)
    except strict_json.ERRORS as error:
        raise InvalidRequest(strict_json.explain(error)) from None
    if len(body) - len(large.messages) - len(large.system) - len(large.tools) > MAX_REST_BYTES:
        raise InvalidRequest(f"more than {MAX_REST_BYTES} bytes beside messages, system and tools")


def members(text: bytes, raw: bytes | Raw | None = None, at: int = 0) -> list[Member]:
    """Return the members of an object in order. Raises `InvalidRequest` for a text that is none or has a key twice.

    ``raw``: the object's own bytes, which begin at ``at``; by default it is the whole text.
    """
    try:
        fields = _fields.decode(text if raw is None else raw)
    except strict_json.ERRORS as error:
        raise InvalidRequest(strict_json.explain(error)) from None
    if len(fields) > MAX_MEMBERS:
        raise InvalidRequest(f"the request body has an object with more than {MAX_MEMBERS} fields")
    found: list[Member] = []
    place = _begin(text, at)
    while key := _KEY.match(text, place):
        name = _name(key[1])
        value = fields.get(name)
        if value is None or not text.startswith(memoryview(value), key.end()):
            raise _twice(name)
        end = key.end() + len(value)
        found.append(Member(name, place, value, key.end(), end))
        following = _NEXT.match(text, end)
        if following is None:
            raise _twice(name)
        if following[1] != b",":
            break
        place = following.end()
    if len(found) != len(fields):
        names = [member.key for member in found]
        raise _twice(next((name for name in names if names.count(name) > 1), "the request body"))
    return found


def elements(text: bytes, raw: Raw, at: int) -> list[Element]:
    """Return the values of a list in order; raises `InvalidRequest` if it is none. Arguments are as for `members`."""
    try:
        values = _values.decode(raw)
    except strict_json.ERRORS as error:
        raise InvalidRequest(strict_json.explain(error)) from None
    found: list[Element] = []
    place = _begin(text, at)
    for value in values:
        end = place + len(value)
        following = _NEXT.match(text, end)
        if following is None or not text.startswith(memoryview(value), place):
            raise InvalidRequest("the request body is not valid JSON")
        found.append(Element(value, place, end))
        place = following.end()
    return found


@define
class Edits:
    """Replacements in a text, which do not overlap."""

    _text: bytes
    _replacements: list[tuple[int, int, bytes]] = field(factory=list, init=False)

    def replace(self, start: int, end: int, new: bytes = b"") -> None:
        """Note that what stands between two places is to be replaced, or cut out."""
        self._replacements.append((start, end, new))

    def drop(self, parts: Sequence[Element] | Sequence[Member], dropped: Collection[int]) -> None:
        """Note that some parts of a list or object, by index, are to be cut out, with the commas that go with them."""
        for start, end in _cuts([(_start(part), part.end) for part in parts], frozenset(dropped)):
            self.replace(start, end)

    def applied(self) -> bytes:
        """Return the text with all replacements."""
        view = memoryview(self._text)
        pieces: list[bytes | memoryview] = []
        done = 0
        for start, end, new in sorted(self._replacements):
            pieces += (view[done:start], new)
            done = end
        pieces.append(view[done:])
        return b"".join(pieces)


def _cuts(spans: Sequence[tuple[int, int]], dropped: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Yield what to cut: each run up to the part that follows it, or from the end of the part that precedes it."""
    for is_dropped, run in groupby(range(len(spans)), lambda index: index in dropped):
        if is_dropped:
            first, *_, last = [*run] * 2
            if last + 1 < len(spans):
                yield spans[first][0], spans[last + 1][0]
            else:
                yield spans[first - 1][1] if first else spans[first][0], spans[last][1]


def _start(part: Element | Member) -> int:
    return part.key_start if isinstance(part, Member) else part.start


def _begin(text: bytes, at: int) -> int:
    opening = _OPENING.match(text, at)
    assert opening is not None  # noqa: S101 - it was decoded
    return opening.end()


def _name(key: bytes) -> str:
    """Return a key as it is decoded."""
    return key.decode() if b"\\" not in key else str(strict_json.decode(b'"%b"' % key))


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: the request has this field twice")
