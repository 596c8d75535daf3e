"""Finish reasons and usage of an answer in their neutral form (docs/chat-completions.md 2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core.events import FinishReason, Usage, token_count

LENGTH: Final = frozenset({"length", "max_tokens", "model_length"})
REFUSED: Final = frozenset({"content_filter", "sensitive", "refusal"})
FAILED: Final = frozenset(
    {"error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "canceled"}
)
"""Finish reasons that mean a failure of the backend; Mistral, DeepSeek, Z.ai and vLLM each have their own."""

FULL: Final = frozenset({"model_context_window_exceeded"})
"""The answer was cut because the window is full, in the words of Z.ai and Anthropic."""

CACHE_WRITE_NAMES: Final = (
    "cache_write_tokens",
    "cache_creation_input_tokens",
    "cache_creation_tokens",  # LiteLLM
    "created_cache_tokens",  # vLLM
)
"""Names in ``prompt_tokens_details`` of the tokens that were written to a cache."""


def finish_reason(word: str | None, matched: str | int | None, stop_sequences: tuple[str, ...]) -> FinishReason:
    """Return a backend's finish reason; ``matched`` is vLLM's ``stop_reason`` or SGLang's ``matched_stop``."""
    if word in LENGTH:
        return FinishReason.LENGTH
    if word in FULL:
        return FinishReason.CONTEXT_FULL
    if word in REFUSED:
        return FinishReason.REFUSED
    if isinstance(matched, str) and matched in stop_sequences:
        return FinishReason.STOP_SEQUENCE
    return FinishReason.STOPPED


def explanation(word: str | None) -> str | None:
    """Return a sentence about a backend's refusal, or None if it did not refuse."""
    return f"The backend stopped its answer with {word!r}." if word in REFUSED else None


def usage(raw: Mapping[str, Any], *, counted_apart: bool = False) -> Usage | None:
    """Return a backend's usage divided as Anthropic does, or None if it contains no counts.

    ``prompt_tokens`` includes what was read from and written to a cache, Anthropic's ``input_tokens`` does not.
    ``counted_apart``: the server counts reasoning beside the completion, and at times what it cached beside the prompt.
    """
    prompt, completion = _prompt(raw) or 0, _count(raw, "completion_tokens") or 0
    thinking = _count(_part(raw, "completion_tokens_details"), "reasoning_tokens")
    details = _part(raw, "prompt_tokens_details")
    read = _first(
        _count(details, "cached_tokens"), _count(raw, "prompt_cache_hit_tokens"), _count(raw, "cached_tokens")
    )
    written = next((_count(details, name) or 0 for name in CACHE_WRITE_NAMES if name in details), 0)
    if counted_apart:
        prompt += read if read > prompt else 0
        completion, thinking = _with_reasoning(_count(raw, "total_tokens"), prompt, completion, thinking)
    if not prompt and not completion:
        return None  # zeros mean that nothing was counted: no prompt is empty
    read = min(read, prompt)
    written = min(written, prompt - read)
    return Usage(
        input_tokens=prompt - read - written,
        output_tokens=completion,
        cache_read_tokens=read,
        cache_write_tokens=written,
        thinking_tokens=thinking,
        raw=raw,
    )


def _prompt(raw: Mapping[str, Any]) -> int | None:
    """Return the tokens of the whole prompt, of which DeepSeek reports two parts."""
    prompt = _count(raw, "prompt_tokens")
    hit, missed = _count(raw, "prompt_cache_hit_tokens"), _count(raw, "prompt_cache_miss_tokens")
    return hit + missed if prompt is None and hit is not None and missed is not None else prompt


def _with_reasoning(total: int | None, prompt: int, completion: int, thinking: int | None) -> tuple[int, int | None]:
    """Return the completion including reasoning, and the reasoning; the total shows what the completion leaves out.

    xAI counts ``reasoning_tokens`` beside ``completion_tokens`` and both in the total (LiteLLM 1.109); Gemini's OpenAI
    path only counts thoughts in the total.
    """
    beside = None if total is None else total - prompt - completion
    if thinking is None:
        return (completion + beside, beside) if beside is not None and beside > 0 else (completion, None)
    return (completion if beside == 0 else completion + thinking), thinking


def usage_of_timings(raw: Mapping[str, Any]) -> Usage | None:
    """Return llama.cpp's ``timings`` as usage, for when usage is missing; ``prompt_n`` leaves out the cached part."""
    prompt, predicted = _count(raw, "prompt_n"), _count(raw, "predicted_n")
    if prompt is None and predicted is None:
        return None
    return Usage(
        input_tokens=prompt or 0,
        output_tokens=predicted or 0,
        cache_read_tokens=_count(raw, "cache_n") or 0,
        raw=raw,
    )


def usage_of_progress(raw: object) -> Usage | None:
    """Return llama.cpp's ``prompt_progress`` as usage: ``total`` tokens of the prompt, ``cache`` of them cached."""
    total = _count(raw, "total") if isinstance(raw, dict) else None
    if not total or not isinstance(raw, dict):
        return None
    cached = min(_count(raw, "cache") or 0, total)
    return Usage(input_tokens=total - cached, cache_read_tokens=cached, raw=raw)


def tokens_read(raw: Mapping[str, object]) -> int | None:
    """Return how many tokens of the prompt llama.cpp has read by its ``prompt_progress``, cached ones among them."""
    return _count(raw, "processed")


def _part(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    return None if value is None else token_count(value)


def _first(*counts: int | None) -> int:
    return next((count for count in counts if count is not None), 0)
