"""How much is in a piece of JSON, told before anything is made of it.

What a backend sends in one piece is read in one turn of the reactor. Its bytes are bounded, but a value takes three of
them and a tenth of a microsecond to a few: so the values are bounded too. Text is not counted, however long it is.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Final

from claude_bridge.core.errors import UpstreamProtocolError

MAX_VALUES: Final = 100_000
"""Values in one piece. Real ones have a few dozens, the longest lists of models some 30,000; tool arguments that come
as an object instead of a text may have a thousand. So many are decoded in 20 to 40 ms."""

MAX_UNCHECKED_BYTES: Final = 64 * 1024
"""Bytes that are not looked at: the values in them are no more than 32,768."""


MAX_CHOICES: Final = 8
"""Choices in one piece: we ask for one, and only the first is read. Each takes some microseconds, as all below."""

MAX_PARTS: Final = 1000
"""Parts of a content or of a reasoning, or fragments of calls, in one piece: one or two are usual."""

MAX_USAGE_BYTES: Final = 16 * 1024
"""Bytes of a usage or the like, which have a few hundred. What is larger tells no counts."""


def has_too_many_values(data: bytes) -> bool:
    """Return whether JSON holds more values than are read at once. What is no JSON may be called either."""
    if len(data) <= MAX_UNCHECKED_BYTES or _estimate_values(data) <= MAX_VALUES:
        return False
    parts = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 2 * MAX_VALUES)
    return len(parts) > 2 * MAX_VALUES or _estimate_values(b"".join(parts[::2])) > MAX_VALUES


def check_length(values: Sized, most: int, what: str) -> None:
    """Raise `UpstreamProtocolError` for more than ``most`` of ``what`` (a plural noun) in one event."""
    if len(values) > most:
        raise UpstreamProtocolError(f"the backend sent more than {most} {what} in one event")


def _estimate_values(data: bytes) -> int:
    """Count what opens a list or an object, or parts one value from the next."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")
