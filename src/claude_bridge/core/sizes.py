"""Sizes in memory of text that is held, so that bounds in bytes hold for any text in any number of pieces."""

from __future__ import annotations

from typing import Final

BLOCK: Final = 512
"""Bytes that a block takes besides its text: the objects around it, measured at 312 to 472."""


def size(text: str) -> int:
    """Return a text's bytes in UTF-8. In memory ASCII takes the same, other text between half and four times that."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
