"""Bounds on the number of values in a piece of JSON, checked before it is decoded.

What a backend sends in one piece is decoded in one turn of the reactor. Its bytes are bounded, but a value may be as
short as three bytes and takes between a tenth of a microsecond and a few: so the values are bounded too. The length of
text does not count.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Final

from claude_bridge.core.errors import UpstreamProtocolError

MAX_VALUES: Final = 100_000
"""Values in one piece. Real ones have a few dozen, the longest lists of models some 30,000; tool arguments that come
as an object instead of a text may have a thousand. This many are decoded in 20 to 40 ms."""

MAX_UNCHECKED_BYTES: Final = 64 * 1024
"""Bytes of the largest piece that needs no check: it cannot hold more than 32,768 values."""


MAX_CHOICES: Final = 8
"""Choices in one piece: the bridge asks for one, and only the first is used. Each takes some microseconds, like the
parts below."""

MAX_PARTS: Final = 1000
"""Parts of a content or of reasoning, or fragments of calls, in one piece: one or two are usual."""

MAX_USAGE_BYTES: Final = 16 * 1024
"""Bytes of a usage object or the like, which have a few hundred. Larger ones are ignored."""


def has_too_many_values(data: bytes) -> bool:
    """Return whether JSON holds more than `MAX_VALUES` values; for bytes that are not JSON the result is arbitrary."""
    if len(data) <= MAX_UNCHECKED_BYTES or _estimate_values(data) <= MAX_VALUES:
        return False
    parts = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 2 * MAX_VALUES)
    return len(parts) > 2 * MAX_VALUES or _estimate_values(b"".join(parts[::2])) > MAX_VALUES


def check_length(values: Sized, most: int, what: str) -> None:
    """Raise `UpstreamProtocolError` for more than ``most`` of ``what`` (a plural noun) in one event."""
    if len(values) > most:
        raise UpstreamProtocolError(f"the backend sent more than {most} {what} in one event")


def _estimate_values(data: bytes) -> int:
    """Return an upper bound on the values: the number of brackets that open and of commas."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")
