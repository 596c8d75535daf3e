"""Quotes around a value. INI files have none: what people bring along from YAML, TOML or a shell becomes part of it."""

from __future__ import annotations

from typing import Final

OFF: Final = "is in quotes, which are a part of the value here: take the quotes off"

_CLOSING: Final = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
"""Opening quote -> closing quote; word processors and web pages turn straight ones into the last two."""


def quoted(text: str) -> bool:
    """Return whether one pair of quotes stands around all of ``text``: not around each of several words in it."""
    closing = _CLOSING.get(text[:1])
    return closing is not None and len(text) > 1 and text.find(closing, 1) == len(text) - 1
