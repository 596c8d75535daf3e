"""Tool-call ids: unique and legal for the client, and turned back into the backend's own on the way upstream.

An upstream id is encoded inside ours, so nothing has to be stored and a restarted bridge can still
decode it (docs/chat-completions.md 1.8). Claude Code drops the second of two calls with one id, and backends
repeat ids (``functions.f:0``) in every answer, so a random part makes each of ours unique.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from claude_bridge.core.opaque_state import base64url, from_base64url

MAX_LENGTH: Final = 64
"""Characters of the longest tool-use id that the Anthropic API's own pattern is known to accept."""

_OURS: Final = re.compile(r"toolu_[0-9A-Za-z]{10}_([0-9A-Za-z_-]+)")
_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTER_OF_BYTE: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))

RandomBytes = Callable[[int], bytes]
"""Returns that many random bytes, as ``os.urandom`` does."""


def token(length: int, random_bytes: RandomBytes) -> str:
    """Return ``length`` random letters and digits."""
    return random_bytes(length).translate(_LETTER_OF_BYTE).decode("ascii")


def downstream_id(upstream_id: str, random_bytes: RandomBytes) -> str:
    """Return an upstream call id wrapped for the client; an absent or too long one is replaced by a random id."""
    encoded = _encoded(upstream_id)
    wrapped = f"toolu_{token(10, random_bytes)}_{encoded}"
    if encoded and len(wrapped) <= MAX_LENGTH:
        return wrapped
    return f"toolu_{token(24, random_bytes)}"


def upstream_id(identifier: str) -> str:
    """Return the id that `downstream_id` wrapped, or any other id unchanged."""
    match = _OURS.fullmatch(identifier)
    if not match:
        return identifier
    encoded = match.group(1)
    try:
        original = from_base64url(encoded).decode()
    except ValueError:
        return identifier
    return original if _encoded(original) == encoded else identifier


def _encoded(upstream_id: str) -> str:
    return base64url(upstream_id.encode("utf-8", "replace"))
