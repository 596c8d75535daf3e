"""The local token estimator: no vocabulary, no download, linear time.

It counts the pieces into which today's byte-pair tokenizers split text: short words whole, long
ones in pieces, digits by three, punctuation by two. Compared with o200k it is between -5 % and +40 % off for prose,
code, JSON, Chinese and Russian; the caller corrects the rest with a ratio that it learns for each model
(docs/design.md 11).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from typing import Final

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.tokens import media

MESSAGE_TOKENS = 4
"""Tokens of the role and the separators around each message (docs/design.md 11)."""

REPLY_TOKENS = 3
"""Tokens that open the model's own turn (docs/design.md 11)."""

TOOL_TOKENS = 10
"""Tokens around one tool definition, besides its JSON (docs/design.md 11: 8 to 12)."""

BYTES_PER_TOKEN = 3.6
"""For a whole request's JSON; low, so that an estimate from the size alone errs upwards."""

# Every match is one token. A word of up to seven letters is one, a longer one is split by six; a single
# space or line feed belongs to what follows. The quantifiers are possessive or bounded, so that the regex
# never looks at a character more than twice, whatever the text.
_PIECE = re.compile(
    r"(?<![A-Za-z])[A-Za-z]{1,7}+(?![A-Za-z])"
    r"|[A-Za-z]{1,6}+"
    r"|[0-9]{1,3}+"
    r"|[!-/:-@\[-`{-~]{1,2}+"
    r"|[\t\n\r\x20]{2,16}+"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
# Tokenizers handle some scripts better than others, and the length in UTF-8 distinguishes them well enough: 0.3 tokens
# for a Latin, Greek or Cyrillic letter (two bytes), 0.8 for a Chinese character (three), 1.3 for an emoji (four).
_TENTHS_PER_FOREIGN_BYTE = 5
_TENTHS_OFF_PER_FOREIGN_CHARACTER = 7
# All matches of one slice are in memory at once; without slices a large text would make a list of millions.
_SLICE = 65_536

MAX_SLICES: Final = 4
"""Slices that are counted of a longer text (256 KiB), evenly spread: a slice takes 12 ms at worst, and all of a text of
30 MB would block the reactor for over a second."""

MAX_REMEMBERED_TEXTS: Final = 4096
"""Texts whose count is cached: a conversation repeats all of its texts with every turn. Each takes 200 bytes."""

MIN_REMEMBERED_CHARACTERS: Final = 256
"""Characters; counting a shorter text is as quick as a look-up."""

MAX_PDF_CHARACTERS: Final = 4 << 20
"""Characters of the PDFs of a request, in base64, whose pages are counted, in 35 ms; the others are like them."""

_UNICODE_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{4}")
_SOME_FOREIGN_CHARACTER = "\u4e2d"


def estimate_text(text: str) -> int:
    """Return the estimated tokens of ``text``; zero for an empty one. Never raises, whatever the characters."""
    return _summed(text, _text_tokens)


def estimate_json(raw: str) -> int:
    """Return the estimated tokens of a raw JSON text as a model will see it, with its escapes undone."""
    return _summed(raw, _json_tokens)


def _summed(text: str, count: Callable[[str], int]) -> int:
    """Return the sum over the slices of a text, extrapolated from `MAX_SLICES` of a very long one."""
    if len(text) <= MAX_SLICES * _SLICE:
        return sum(count(text[at : at + _SLICE]) for at in range(0, len(text), _SLICE))
    distance = (len(text) - _SLICE) // (MAX_SLICES - 1)
    counted = sum(count(text[part * distance : part * distance + _SLICE]) for part in range(MAX_SLICES))
    return ceil(counted * len(text) / (MAX_SLICES * _SLICE))


def _text_tokens(text: str) -> int:
    return len(_PIECE.findall(text)) + _foreign_tokens(text)


def _json_tokens(raw: str) -> int:
    if "\\" not in raw:
        return _text_tokens(raw)
    # Exact unescaping is not worth its time: an escaped backslash before an n is rare and costs one token.
    text = _UNICODE_ESCAPE.sub(_SOME_FOREIGN_CHARACTER, raw)
    return _text_tokens(text.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t"))


def rough_tokens(byte_count: int) -> int:
    """Return a rough estimate of a request's tokens from its size in bytes."""
    return ceil(max(0, byte_count) / BYTES_PER_TOKEN)


def _foreign_tokens(text: str) -> int:
    """Return the tokens of the non-ASCII characters; a lone surrogate counts like other characters of three bytes."""
    if text.isascii():
        return 0
    ascii_count = len(text.encode("ascii", "ignore"))
    byte_count = len(text.encode("utf-8", "surrogatepass")) - ascii_count
    tenths = _TENTHS_PER_FOREIGN_BYTE * byte_count - _TENTHS_OFF_PER_FOREIGN_CHARACTER * (len(text) - ascii_count)
    return ceil(tenths / 10)


@define
class CountCache:
    """A cache of counts by the text's hash, which does not keep the text itself.

    Two texts of the same hash and length do not occur by chance, and as Python's hash is seeded, none can be crafted.
    """

    _most: int = MAX_REMEMBERED_TEXTS
    _counts: BoundedMap[tuple[Callable[[str], int], int, int], int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Create the map."""
        self._counts = BoundedMap(self._most)

    def count(self, counted: Callable[[str], int], text: str) -> int:
        """Return ``counted(text)``, from the cache if it is there."""
        if len(text) < MIN_REMEMBERED_CHARACTERS:
            return counted(text)
        key = (counted, hash(text), len(text))
        tokens = self._counts.get(key)
        if tokens is None:
            tokens = counted(text)
            self._counts.put(key, tokens)
        return tokens


_count_cache: Final = CountCache()


def text_tokens(text: str) -> int:
    """Return the estimated tokens of a text that is likely to come again; cached."""
    return _count_cache.count(estimate_text, text)


@define
class Tally:
    """The sum of a request's tokens; the caller walks the request and adds its parts.

    :ivar characters: characters of all texts so far, a measure of the work done.
    """

    characters: int = field(default=0, init=False)
    _tokens: int = field(default=REPLY_TOKENS, init=False)
    _pages: int = field(default=0, init=False)
    _pdf_characters: int = field(default=0, init=False)

    def add_text(self, text: str) -> None:
        """Add text that the model reads unchanged."""
        self.characters += len(text)
        self._tokens += text_tokens(text)

    def add_json(self, raw: str) -> None:
        """Add a raw JSON text: a tool's schema or a call's input."""
        self.characters += len(raw)
        self._tokens += _count_cache.count(estimate_json, raw)

    def add_image(self, media_type: str, data: str) -> None:
        """Add an image, from its base64 text or a prefix of it.

        The bytes decide about the format, not ``media_type``, as clients label PNG as something else. Any other type
        than an image adds a fixed number.
        """
        size = media.dimensions(data) if media_type.startswith("image/") or not media_type else None
        self._tokens += media.image_tokens(size)

    def add_document(self, media_type: str, data: str) -> None:
        """Add a document, from its whole base64 text: PDF by the page, anything else by its decoded size."""
        if media_type == "application/pdf":
            self._tokens += self._pdf_pages(data) * media.PDF_PAGE_TOKENS
        else:
            self._tokens += rough_tokens(len(data) * 3 // 4)

    def _pdf_pages(self, data: str) -> int:
        if self._pdf_characters > MAX_PDF_CHARACTERS:
            return ceil(len(data) * self._pages / self._pdf_characters)
        pages = _count_cache.count(media.pdf_pages, data)
        self._pages += pages
        self._pdf_characters += len(data)
        return pages

    def add_message(self) -> None:
        """Add what surrounds one message."""
        self._tokens += MESSAGE_TOKENS

    def add_tool(self) -> None:
        """Add what surrounds one tool definition; its JSON goes through `add_json`."""
        self._tokens += TOOL_TOKENS

    def total(self) -> int:
        """Return the sum so far, including the tokens that open the reply."""
        return self._tokens
