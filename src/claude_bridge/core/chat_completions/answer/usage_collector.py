"""Collects the usage of an answer from the standard field and from the fields that some servers use instead."""

from __future__ import annotations

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.chat_completions.dialect import Dialect
from claude_bridge.core.chat_completions.openai_types import Chunk
from claude_bridge.core.events import Usage
from claude_bridge.core.usage import may_hold_counts


@define
class UsageCollector:
    """The usage of one answer. It stays raw until it is needed, as some servers send it with every chunk."""

    _dialect: Dialect
    _usage: strict_json.Raw | None = field(default=None, init=False)
    _timings: strict_json.Raw | None = field(default=None, init=False)

    def add(self, raw: strict_json.Raw) -> bool:
        """Store a ``usage`` field, of which the last one counts; return whether it may contain counts."""
        if not may_hold_counts(raw):
            return False
        self._usage = raw
        return True

    def add_vendor_fields(self, chunk: Chunk) -> Usage | None:
        """Store usage from non-standard fields; return the prompt's size if one of them reports it.

        They are read for every dialect: a llama.cpp behind a proxy, or one that has not been recognised yet, is treated
        as a generic server, and its counts are just as valid.
        """
        if chunk.timings and may_hold_counts(chunk.timings):  # llama.cpp
            self._timings = chunk.timings
        if chunk.x_groq and may_hold_counts(chunk.x_groq):  # Groq, in place of the standard field
            value = strict_json.decode(chunk.x_groq)
            if isinstance(value, dict) and isinstance(value.get("usage"), dict):
                self._usage = strict_json.Raw(strict_json.encode(value["usage"]))
        if chunk.prompt_progress and may_hold_counts(chunk.prompt_progress):  # llama.cpp
            return finish_and_usage.usage_of_progress(strict_json.decode(chunk.prompt_progress))
        return None

    def prompt_size(self, raw: strict_json.Raw) -> Usage | None:
        """Return the prompt's size if the first chunk contains it (vLLM's ``continuous_usage_stats``)."""
        usage = self._divided(raw) if may_hold_counts(raw) else None
        return usage if usage is not None and usage.prompt_tokens else None

    def final(self) -> Usage | None:
        """Return the usage of the answer, or None if the backend reported none."""
        usage = self._divided(self._usage) if self._usage is not None else None
        if usage is None and self._timings is not None:
            value = strict_json.decode(self._timings)
            return finish_and_usage.usage_of_timings(value) if isinstance(value, dict) else None
        return usage

    def _divided(self, raw: strict_json.Raw) -> Usage | None:
        value = strict_json.decode(raw)
        return self._dialect.usage(value) if isinstance(value, dict) else None
