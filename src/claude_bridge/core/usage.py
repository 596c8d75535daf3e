"""Reads usage as OpenAI's APIs report it; their prompts are divided here as Anthropic's API divides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.events import Usage, token_count

CACHE_WRITE_NAMES: Final = (
    "cache_write_tokens",
    "cache_creation_input_tokens",
    "cache_creation_tokens",  # LiteLLM
    "created_cache_tokens",  # vLLM
)
"""Names in the details of a prompt of the tokens that were written to a cache."""


def may_hold_counts(raw: strict_json.Raw) -> bool:
    """Return whether a field may contain counts; a very large one does not."""
    return len(raw) <= json_weight.MAX_USAGE_BYTES and strict_json.present(raw)


def details(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object in a usage object that has more about one of its counts; empty if there is none."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def divided(
    raw: Mapping[str, Any],
    *,
    prompt: int,
    output: int,
    read: int,
    prompt_details: Mapping[str, Any],
    thinking: int | None,
) -> Usage | None:
    """Return the counts of an answer in tokens, or None if there are none.

    :param raw: the backend's own usage object.
    :param prompt: the whole prompt. It includes what was read from and written to a cache, which Anthropic's
        ``input_tokens`` does not.
    :param read: what was read from a cache; more than the prompt counts as all of it.
    :param prompt_details: says what was written to a cache.
    :param thinking: the part of the output that was reasoning, or None if that is unknown.
    """
    if not prompt and not output:
        return None  # zeros mean that nothing was counted: no prompt is empty
    written = next((token_count(prompt_details[name]) or 0 for name in CACHE_WRITE_NAMES if name in prompt_details), 0)
    read = min(read, prompt)
    written = min(written, prompt - read)
    return Usage(
        input_tokens=prompt - read - written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        thinking_tokens=thinking,
        raw=raw,
    )
