"""What text that is kept costs in memory, so that bounds in bytes hold for any text in any pieces."""

from __future__ import annotations

from typing import Final

BLOCK: Final = 512
"""Bytes that a block takes beside its text: the objects around it, measured at 312 to 472."""


def size(text: str) -> int:
    """Count a text's bytes in UTF-8. In memory ASCII takes as much, and other text between half and four times that."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
