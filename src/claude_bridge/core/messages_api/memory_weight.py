"""What a decoded request holds in memory, which may be many times its text."""

from __future__ import annotations

import re
from sys import getsizeof
from typing import Any, Final

from attrs import fields, has

from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import ConversationReader

MESSAGE: Final = 250
"""Bytes of the objects that stand for a message, lists included."""

OBJECT: Final = 80
"""Bytes of an object of a few fields, and of its place in a list."""

_HEADER: Final = 80
"""Bytes of a text's object, rounded up; after it come its characters of one, two or four bytes each."""

_ASTRAL: Final = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""What characters that take four bytes of every one beside them begin with, in UTF-8."""
_ESCAPE: Final = re.compile(rb"\\u(?!00[0-7])")
_PAIR: Final = re.compile(rb"\\u[dD][89abAB]")


def weight(request: MessagesRequest) -> int | None:
    """Return the bytes of the objects that a request became, or None while its messages have not been read.

    A text is as wide as its widest character, so that one emoji makes four bytes of every letter beside it, and once
    it was sent it is there as UTF-8 too. What stays raw JSON points into the body and is not counted.
    """
    reading = request.made.get("reading")
    if not isinstance(reading, ConversationReader) or len(reading.entries) < len(request.messages):
        return None
    total = MESSAGE * len(reading.entries)
    for _, pieces in reading.entries:
        total += _size(pieces)
    if isinstance(request.system, str):
        total += _size(request.system)
    return total + sum(_size(tool.description) for tool in request.tools or ())


def widest(body: bytes) -> int:
    """Return how many times a body its texts may hold beyond once, if the widest character is in the longest of them.

    Cheaper than decoding it, so that the most can be set aside before.
    """
    first = body.find(b"\\u")  # ten times as fast as a pattern
    escaped = _ESCAPE.search(body, first) if first >= 0 else None
    if body.isascii() and escaped is None:
        return 0
    astral = any(lead in body for lead in _ASTRAL) or (escaped is not None and _PAIR.search(body, first) is not None)
    return 4 if astral else 2


def _text_size(text: str) -> int:
    """Return a text's bytes, with those of its UTF-8, which encoding leaves behind, whether it was encoded or not."""
    size, length = getsizeof(text), len(text)
    if text.isascii():
        return size
    encoded = not any(0 <= size - width * (length + 1) <= _HEADER for width in (1, 2, 4))
    return size if encoded else size + length


def _size(value: Any) -> int:  # noqa: ANN401 - any part of a piece
    if type(value) is str:
        return _text_size(value)
    if type(value) is list:
        return sum(map(_size, value))
    names = getattr(value, "__struct_fields__", None)
    if names is None:
        names = [each.name for each in fields(type(value))] if has(type(value)) else ()
    return OBJECT + sum(_size(getattr(value, name)) for name in names) if names else 0
