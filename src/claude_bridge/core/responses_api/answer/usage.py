"""Usage of an answer in its neutral form (docs/responses-api.md 2.3)."""

from __future__ import annotations

from claude_bridge.core import strict_json
from claude_bridge.core.events import Usage, token_count
from claude_bridge.core.usage import details, divided, may_hold_counts


def read_usage(raw: strict_json.Raw) -> Usage | None:
    """Return a backend's usage divided as Anthropic does, or None if it contains no counts."""
    if not may_hold_counts(raw):
        return None
    counts = strict_json.decode(raw)
    if not isinstance(counts, dict):
        return None
    prompt_details = details(counts, "input_tokens_details")
    return divided(
        counts,
        prompt=token_count(counts.get("input_tokens")) or 0,
        output=token_count(counts.get("output_tokens")) or 0,
        read=token_count(prompt_details.get("cached_tokens")) or 0,
        prompt_details=prompt_details,
        thinking=token_count(details(counts, "output_tokens_details").get("reasoning_tokens")),
    )
