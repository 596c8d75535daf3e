"""Errors that a backend reports inside its answer, with status 200, in one of their many shapes."""

from __future__ import annotations

from typing import Final

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.openai_types import Chunk

_ERROR_KEYS: Final = ("error", "errors", "detail", "message", "msg", "error_message", "error_msg")


def reported_error(chunk: Chunk, name: bytes, data: bytes) -> object:
    """Return the error that an event carries, decoded, or None for an ordinary chunk.

    ``chunk`` is ``data`` as a chunk, ``name`` is the event's.
    """
    if chunk.choices is not None and name != b"error" and not strict_json.present(chunk.error):
        return None
    value = strict_json.decode(data)
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    says_so = name == b"error" or chunk.object == "error"
    return value if says_so or any(value.get(key) for key in _ERROR_KEYS) else None
