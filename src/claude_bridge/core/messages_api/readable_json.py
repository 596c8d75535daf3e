"""A JSON value of unknown shape as text for a model to read (docs/chat-completions.md 1.3).

Used for blocks that have no counterpart in chat completions: results of tools that Anthropic's
servers ran, and whatever the API adds next. Strings appear as they are, never escaped.
"""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core import strict_json
from claude_bridge.core.opaque_state import unpack_snippet

SKIPPED_KEYS: Final = frozenset(
    {
        "type",
        "cache_control",
        "signature",
        "encrypted_content",
        "encrypted_index",
        "encrypted_stdout",
        "tool_use_id",
        "id",
        "citations",
        "caller",
        "toolset_name",
    }
)
"""Keys that mean nothing to a reader: markers, ids, and what only Anthropic can decrypt."""

MAX_DEPTH: Final = 32
"""Levels that are converted; deeper ones are returned as JSON. This keeps Python's own stack small."""

_EMPTY_VALUES: Final[tuple[object, ...]] = (None, "", [], {})


def readable(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - decoded JSON
    """Return ``value`` as text: a lone ``text`` or ``content`` without its key, else ``key: value; key: value``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if depth > MAX_DEPTH:
        return _json(value)
    if isinstance(value, list):
        return "\n".join(text for text in (readable(item, depth + 1) for item in value) if text)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in SKIPPED_KEYS and item not in _EMPTY_VALUES}
        if found := unpack_snippet(value.get("encrypted_content")):
            kept["content"] = found  # a result of the bridge's own web search
        if kept.keys() <= {"text"} or kept.keys() <= {"content"}:
            return "\n".join(readable(item, depth + 1) for item in kept.values())
        return "; ".join(f"{key}: {_inline(item, depth + 1)}" for key, item in kept.items())
    return _json(value)


def _inline(value: Any, depth: int) -> str:  # noqa: ANN401 - decoded JSON
    text = readable(value, depth)
    return f"{{{text}}}" if isinstance(value, dict) else text


def _json(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    return strict_json.encode(value).decode()
