"""How much memory a decoded request takes, which may be many times the size of its body."""

from __future__ import annotations

import re
from sys import getsizeof
from typing import Any, Final

from attrs import fields, has

from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import ConversationReader

MESSAGE_BYTES: Final = 250
"""Bytes of the objects that stand for a message, lists included."""

OBJECT_BYTES: Final = 80
"""Bytes of an object of a few fields, and of its place in a list."""

_STRING_HEADER_BYTES: Final = 80
"""Bytes of a string object before its characters, rounded up; each character takes one, two or four bytes."""

_ASTRAL_LEAD_BYTES: Final = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""First bytes, in UTF-8, of characters outside the Basic Multilingual Plane: one of them makes Python store every
character of its string in four bytes."""
_ESCAPE: Final = re.compile(rb"\\u(?!00[0-7])")
_PAIR: Final = re.compile(rb"\\u[dD][89abAB]")


def note_passed_on(request: MessagesRequest) -> None:
    """Note that a request is sent as it was received, so that its messages are not decoded, or not before long."""
    request.derived["passed on"] = True


def request_weight(request: MessagesRequest) -> int | None:
    """Return the bytes of a decoded request's objects, or None while its messages have yet to be decoded.

    Python stores a string as wide as its widest character, so that with one emoji every letter takes four bytes, and
    a string that was sent is cached as UTF-8 too. What stays raw JSON points into the body and is not counted.
    """
    reading = request.derived.get("reading")
    if not isinstance(reading, ConversationReader) or len(reading.turns) < len(request.messages):
        return 0 if "passed on" in request.derived else None
    total = MESSAGE_BYTES * len(reading.turns)
    for turn in reading.turns:
        total += _size(turn.pieces)
    if isinstance(request.system, str):
        total += _size(request.system)
    return total + sum(_size(tool.description) for tool in request.tools or ())


def max_text_expansion(body: bytes) -> int:
    """Return how many times the body's size its texts may take, at worst, beyond the body itself.

    The worst case is that the widest character stands in the longest text. This is cheaper than decoding, so that
    memory can be reserved before.
    """
    first = body.find(b"\\u")  # ten times as fast as a pattern
    escaped = _ESCAPE.search(body, first) if first >= 0 else None
    if body.isascii() and escaped is None:
        return 0
    astral = any(lead in body for lead in _ASTRAL_LEAD_BYTES) or (
        escaped is not None and _PAIR.search(body, first) is not None
    )
    return 4 if astral else 2


def _text_size(text: str) -> int:
    """Return a string's bytes, with those of the UTF-8 copy that Python caches, whether that exists yet or not."""
    size, length = getsizeof(text), len(text)
    if text.isascii():
        return size
    encoded = not any(0 <= size - width * (length + 1) <= _STRING_HEADER_BYTES for width in (1, 2, 4))
    return size if encoded else size + length


def _size(value: Any) -> int:  # noqa: ANN401 - any part of a piece
    if type(value) is str:
        return _text_size(value)
    if type(value) is list:
        return sum(map(_size, value))
    names = getattr(value, "__struct_fields__", None)
    if names is None:
        names = [each.name for each in fields(type(value))] if has(type(value)) else ()
    return OBJECT_BYTES + sum(_size(getattr(value, name)) for name in names) if names else 0
