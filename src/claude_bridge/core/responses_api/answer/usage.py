"""Usage of an answer in its neutral form (docs/responses-api.md 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.events import Usage, token_count

_WRITTEN: Final = ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")


def read_usage(raw: strict_json.Raw) -> Usage | None:
    """Return a backend's usage divided as Anthropic does, or None if it contains no counts.

    ``input_tokens`` includes what was read from and written to a cache, Anthropic's does not.
    """
    if len(raw) > json_weight.MAX_USAGE_BYTES or not strict_json.present(raw):
        return None
    counts = strict_json.decode(raw)
    if not isinstance(counts, dict):
        return None
    prompt, output = _count(counts, "input_tokens") or 0, _count(counts, "output_tokens") or 0
    if not prompt and not output:
        return None  # zeros mean that nothing was counted: no prompt is empty
    details = _part(counts, "input_tokens_details")
    read = min(_count(details, "cached_tokens") or 0, prompt)
    written = next((_count(details, name) or 0 for name in _WRITTEN if name in details), 0)
    written = min(written, prompt - read)
    return Usage(
        input_tokens=prompt - read - written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        thinking_tokens=_count(_part(counts, "output_tokens_details"), "reasoning_tokens"),
        raw=counts,
    )


def _part(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    return None if value is None else token_count(value)
