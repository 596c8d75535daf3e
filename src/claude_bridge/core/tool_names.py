"""The names of tools at a backend, which accepts less in a name than clients do (docs/chat-completions.md 1.4)."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from claude_bridge.core.conversation import Content, Piece, Text, ToolNotice, ToolResult, Turn, text_of

MAX_NAME_CHARACTERS: Final = 64
"""Characters of the longest function name that OpenAI's API accepts."""

_LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")


def upstream_name(name: str) -> str:
    """Return a legal function name: the name itself, or a shortened one with a hash, always the same."""
    if _LEGAL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: MAX_NAME_CHARACTERS - 9]}_{digest}"


def with_notices_as_text(turn: Turn) -> Turn:
    """Return a turn with its tool notices as text, with the names that the backend knows."""
    return Turn(turn.role, [*map(_piece_with_notices_as_text, turn.pieces)])


def _piece_with_notices_as_text(piece: Piece) -> Piece:
    if isinstance(piece, ToolResult):
        return ToolResult(piece.call_id, [*map(_notice_as_text, piece.content)], piece.is_error)
    return _notice_as_text(piece) if isinstance(piece, ToolNotice) else piece


def _notice_as_text(content: Content) -> Content:
    if isinstance(content, ToolNotice):
        return Text(text_of(ToolNotice(upstream_name(content.name), content.available)))
    return content
