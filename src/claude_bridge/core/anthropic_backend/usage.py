"""The counts and the end of an answer of the Messages API in neutral terms."""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field
from msgspec import Raw

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.events import Finished, FinishReason, Usage, token_count

_REASONS: Final = {
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "refusal": FinishReason.REFUSED,
    "model_context_window_exceeded": FinishReason.CONTEXT_FULL,
}


MAX_FIELDS: Final = 256
"""Fields of all usage objects of one answer together, which has a dozen; one that would add more is ignored."""


@define
class UsageCollector:
    """The counts of one answer. Those that come later replace earlier ones, as the API counts up."""

    _raw: dict[str, Any] = field(factory=dict, init=False)

    def add(self, usage: Raw) -> bool:
        """Add a usage object; return whether it contained anything."""
        if not strict_json.present(usage) or len(usage) > json_weight.MAX_USAGE_BYTES:
            return False
        try:
            value = strict_json.decode(usage)
        except strict_json.JsonError:
            return False
        given = {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else {}
        if len(self._raw.keys() | given.keys()) > MAX_FIELDS:
            return False
        self._raw.update(given)
        return bool(given)

    def usage(self) -> Usage | None:
        """Return the counts so far, or None if the backend has reported none."""
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        given, answered, read, written = (token_count(self._raw.get(name)) or 0 for name in names)
        if not given + answered + read + written:
            return None
        details = self._raw.get("output_tokens_details")
        return Usage(
            input_tokens=given,
            output_tokens=answered,
            cache_read_tokens=read,
            cache_write_tokens=written,
            thinking_tokens=token_count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
            raw=dict(self._raw),
        )


def finished(stop: dict[str, Any], usage: Usage | None) -> Finished:
    """Return the end of an answer. ``stop``: the object with ``stop_reason``, of whatever types its values are."""
    reason, sequence, details = stop.get("stop_reason"), stop.get("stop_sequence"), stop.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return Finished(
        _REASONS.get(reason, FinishReason.STOPPED) if isinstance(reason, str) else FinishReason.STOPPED,
        sequence if isinstance(sequence, str) else None,
        usage,
        explanation if isinstance(explanation, str) and explanation else None,
    )
