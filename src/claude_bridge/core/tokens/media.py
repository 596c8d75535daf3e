"""Tokens of an image or a PDF, determined from the first bytes of its base64 text.

Only the prefix that a format needs is decoded, and nothing here raises: a size that cannot be
determined is `None` and stands for a fixed number of tokens. Rules and numbers: docs/design.md 11.
"""

from __future__ import annotations

import re
import struct
from binascii import a2b_base64
from itertools import islice
from math import ceil

PATCH = 28
"""Edge, in pixels, of the square that counts as one token."""

LONG_EDGE = 1568
"""Pixels; larger images are scaled down to it before they are counted."""

MAX_IMAGE_TOKENS = 1568
"""An image is scaled down further until it has no more tokens than this."""

UNKNOWN_IMAGE_TOKENS = 1600
"""For an image whose size cannot be determined: the most that any other has, rounded up."""

PDF_PAGE_TOKENS = 2000
"""A page of a PDF, text and rendered image together."""

# PNG, GIF and WebP have their size in the first 30 bytes; 64 characters are 48 bytes.
_HEAD_CHARACTERS = 64
# A JPEG has it after its metadata: EXIF with a thumbnail fills one segment of 64 KiB, colour
# profiles some more. 256 KiB of base64 hold nearly all of them and decode in under a millisecond.
_JPEG_CHARACTERS = 256 * 1024
# Real files have some dozens before the size. 256 KiB can hold a hundred thousand, and a request a hundred such files.
_MAX_SEGMENTS = 1000
# The reactor is blocked while pages are counted; 4 MiB of base64 take 35 ms. The rest is extrapolated.
_PDF_CHARACTERS = 4 * 1024 * 1024
# No API accepts longer documents; it also bounds what a forged page count can claim.
_MAX_PDF_PAGES = 1000

_PAGE_OBJECT = re.compile(rb"/Type\s{0,8}/Page(?![A-Za-z])")
# A linearized file tells its page count in the clear within its first object, even when page objects are compressed.
_LINEARIZED_PAGES = re.compile(rb"/Linearized\b[^>]{0,400}?/N\s{1,4}(\d{1,6})")

_JPEG_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA


def decode_prefix(data: str, characters: int) -> bytes:
    """Return the bytes of at most ``characters`` of base64 text; none if it is not base64."""
    # Line breaks add a character in 65 or so; an eighth more is plenty, and it bounds the work.
    text = "".join(data[: characters + characters // 8].split())[:characters]
    try:
        return a2b_base64(text[: len(text) & ~3])
    except ValueError:
        return b""


def dimensions(data: str) -> tuple[int, int] | None:
    """Return width and height in pixels of a base64 PNG, JPEG, GIF or WebP, or None.

    ``data`` may be the whole text or any prefix of it.
    """
    head = decode_prefix(data, _HEAD_CHARACTERS)
    is_jpeg = head.startswith(b"\xff\xd8")
    size = _jpeg_size(decode_prefix(data, _JPEG_CHARACTERS)) if is_jpeg else _header_size(head)
    return size if size and min(size) > 0 else None


def image_tokens(size: tuple[int, int] | None) -> int:
    """Return the tokens of an image of this width and height in pixels."""
    if size is None:
        return UNKNOWN_IMAGE_TOKENS
    shrink = min(1.0, LONG_EDGE / max(size))
    across, down = (ceil(max(1, round(edge * shrink)) / PATCH) for edge in size)
    return min(across * down, MAX_IMAGE_TOKENS)


def pdf_pages(data: str) -> int:
    """Return the pages of a base64 PDF, at least one; a guess if the page objects are compressed."""
    content = decode_prefix(data, _PDF_CHARACTERS)
    found = sum(1 for _ in islice(_PAGE_OBJECT.finditer(content), _MAX_PDF_PAGES))
    if len(data) > _PDF_CHARACTERS:
        found = found * len(data) // _PDF_CHARACTERS
    if stated := _LINEARIZED_PAGES.search(content, 0, 2048):
        found = max(found, int(stated[1]))
    return min(max(found, 1), _MAX_PDF_PAGES)


def _header_size(head: bytes) -> tuple[int, int] | None:
    """Return the size from its fixed place in a PNG, GIF or WebP, or None."""
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack_from(">II", head, 16)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return struct.unpack_from("<HH", head, 6)
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return _webp_size(head)
    except struct.error:  # cut off inside the header
        pass
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Return the size from the first chunk, of three kinds; its fields have 14 bits, or 24 in VP8X."""
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20:21] == b"\x2f":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low, high, low2, high2 = struct.unpack_from("<HBHB", head, 24)
        return (high << 16 | low) + 1, (high2 << 16 | low2) + 1
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return the size from a JPEG's segments, walked up to the one that has it; every step goes forward."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 9 > len(content) or content[at] != 0xFF:  # noqa: PLR2004 - each marker begins with this byte
            return None
        marker = content[at + 1]
        if marker in _JPEG_SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        if marker == 0xFF:  # noqa: PLR2004 - fill byte
            at += 1
        elif marker in _JPEG_BARE_MARKERS:
            at += 2
        elif marker == _JPEG_SCAN:
            return None
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None
