"""Finish reasons and usage of an answer in their neutral form (docs/chat-completions.md 2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core.events import FinishReason, Usage, token_count
from claude_bridge.core.usage import details, divided

LENGTH: Final = frozenset({"length", "max_tokens", "model_length"})
REFUSED: Final = frozenset({"content_filter", "sensitive", "refusal"})
FAILED: Final = frozenset(
    {"error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "canceled"}
)
"""Finish reasons that mean a failure of the backend; Mistral, DeepSeek, Z.ai and vLLM each have their own."""

FULL: Final = frozenset({"model_context_window_exceeded"})
"""The answer was cut because the window is full, in the words of Z.ai and Anthropic."""


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

    ``counted_apart``: the server counts reasoning beside the completion, and at times what it cached beside the prompt.
    """
    prompt, completion = _prompt(raw) or 0, token_count(raw.get("completion_tokens")) or 0
    thinking = token_count(details(raw, "completion_tokens_details").get("reasoning_tokens"))
    prompt_details = details(raw, "prompt_tokens_details")
    read = _first(
        token_count(prompt_details.get("cached_tokens")),
        token_count(raw.get("prompt_cache_hit_tokens")),
        token_count(raw.get("cached_tokens")),
    )
    if counted_apart:
        prompt += read if read > prompt else 0
        completion, thinking = _with_reasoning(token_count(raw.get("total_tokens")), prompt, completion, thinking)
    return divided(raw, prompt=prompt, output=completion, read=read, prompt_details=prompt_details, thinking=thinking)


def _prompt(raw: Mapping[str, Any]) -> int | None:
    """Return the tokens of the whole prompt, of which DeepSeek reports two parts."""
    prompt = token_count(raw.get("prompt_tokens"))
    hit, missed = token_count(raw.get("prompt_cache_hit_tokens")), token_count(raw.get("prompt_cache_miss_tokens"))
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
    prompt, predicted = token_count(raw.get("prompt_n")), token_count(raw.get("predicted_n"))
    if prompt is None and predicted is None:
        return None
    return Usage(
        input_tokens=prompt or 0,
        output_tokens=predicted or 0,
        cache_read_tokens=token_count(raw.get("cache_n")) or 0,
        raw=raw,
    )


def usage_of_progress(raw: object) -> Usage | None:
    """Return llama.cpp's ``prompt_progress`` as usage: ``total`` tokens of the prompt, ``cache`` of them cached."""
    total = token_count(raw.get("total")) if isinstance(raw, dict) else None
    if not total or not isinstance(raw, dict):
        return None
    cached = min(token_count(raw.get("cache")) or 0, total)
    return Usage(input_tokens=total - cached, cache_read_tokens=cached, raw=raw)


def tokens_read(raw: Mapping[str, object]) -> int | None:
    """Return how many tokens of the prompt llama.cpp has read by its ``prompt_progress``, cached ones among them."""
    return token_count(raw.get("processed"))


def _first(*counts: int | None) -> int:
    return next((count for count in counts if count is not None), 0)
