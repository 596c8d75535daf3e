"""What a decoded request holds in memory, which may be many times its text."""

from __future__ import annotations

from sys import getsizeof
from typing import Any, Final

from attrs import fields, has

from claude_bridge.core.anthropic import MessagesRequest
from claude_bridge.core.messages.reading import Reading

MESSAGE: Final = 250
"""Bytes of the objects that stand for a message, lists included."""

OBJECT: Final = 80
"""Bytes of an object of a few fields, and of its place in a list."""


def weight(request: MessagesRequest) -> int | None:
    """Return the bytes of the objects that a request became, or None while its messages have not been read.

    A text is as wide as its widest character, so that one emoji makes four bytes of every letter beside it, and once
    it was sent it is there as UTF-8 too. What stays raw JSON points into the body and is not counted.
    """
    reading = request.made.get("reading")
    if not isinstance(reading, Reading) or len(reading.entries) < len(request.messages):
        return None
    total = MESSAGE * len(reading.entries)
    for entry in reading.entries:
        total += _size(entry.pieces)
    if isinstance(request.system, str):
        total += _size(request.system)
    return total + sum(_size(tool.description) for tool in request.tools or ())


def _size(value: Any) -> int:  # noqa: ANN401 - any part of a piece
    if type(value) is str:
        return getsizeof(value) + (0 if value.isascii() else len(value))
    if type(value) is list:
        return sum(map(_size, value))
    names = getattr(value, "__struct_fields__", None)
    if names is None:
        names = [each.name for each in fields(type(value))] if has(type(value)) else ()
    return OBJECT + sum(_size(getattr(value, name)) for name in names) if names else 0
