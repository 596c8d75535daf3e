"""Texts that were read before: a client sends the same document again with every turn of a conversation."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core.sizes import size

MAX_DOCUMENTS: Final = 64
"""Enough for a few dozen conversations with some documents each."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Of text in all: eighty documents of `child.MAX_CHARACTERS` characters of ASCII."""


@frozen
class Text:
    """A text that is kept, its size in bytes, and until when (seconds of the clock; None: for good)."""

    text: str = field(repr=False)
    size: int
    until: float | None


@define
class TextCache:
    """Texts by a document's digest; of too many the ones not used for longest are let go."""

    _max_documents: int = MAX_DOCUMENTS
    _max_bytes: int = MAX_BYTES
    _bytes: int = 0
    _texts: OrderedDict[bytes, Text] = field(factory=OrderedDict)

    def get(self, digest: bytes, now: float) -> str | None:
        """Return the text of a document, None if it is not there or no longer good."""
        kept = self._texts.get(digest)
        if kept is None:
            return None
        if kept.until is not None and now >= kept.until:
            self._drop(digest)
            return None
        self._texts.move_to_end(digest)
        return kept.text

    def put(self, digest: bytes, text: str, until: float | None = None) -> None:
        """Keep a text; one that is too large for itself is not kept."""
        kept = Text(text, size(text), until)
        if kept.size > self._max_bytes:
            return
        if digest in self._texts:
            self._drop(digest)
        self._texts[digest] = kept
        self._bytes += kept.size
        while len(self._texts) > self._max_documents or self._bytes > self._max_bytes:
            self._drop(next(iter(self._texts)))

    def _drop(self, digest: bytes) -> None:
        self._bytes -= self._texts.pop(digest).size
