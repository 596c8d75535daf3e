"""Tests for `claude_bridge.core.chat_completions.answer.usage_collector`.

Where usage is found in a stream is tested with the reader.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.chat_completions.answer.usage_collector import UsageCollector
from claude_bridge.core.chat_completions.dialect import GENERIC
from claude_bridge.core.chat_completions.openai_types import Chunk
from claude_bridge.core.events import Usage
from claude_bridge.core.strict_json import Raw

STANDARD = {"prompt_tokens": 3, "completion_tokens": 4}
TIMINGS = {"prompt_n": 8, "predicted_n": 9}


def raw(value: Any) -> Raw:
    """Write a field."""
    return Raw(json.dumps(value).encode())


class UsageCollectorTests:
    """What an answer cost."""

    def test_nothing(self) -> None:
        """A backend that says nothing has said nothing."""
        assert UsageCollector(GENERIC).final() is None

    def test_last_one_counts(self) -> None:
        """Of several the last one counts; null and what is very large are none."""
        usage = UsageCollector(GENERIC)
        assert usage.add(raw({"prompt_tokens": 1, "completion_tokens": 1}))
        assert usage.add(raw(STANDARD))
        assert not usage.add(raw(None))
        assert not usage.add(raw({**STANDARD, "more": "x" * json_weight.MAX_USAGE_BYTES}))
        assert usage.final() == Usage(3, 4)

    def test_vendor_fields(self) -> None:
        """Fields of llama.cpp and Groq are read, the former only in place of a usage."""
        usage = UsageCollector(GENERIC)
        assert usage.add_vendor_fields(Chunk(timings=raw(TIMINGS))) is None
        assert usage.final() == Usage(8, 9)
        assert usage.add_vendor_fields(Chunk(x_groq=raw({"usage": STANDARD}))) is None
        assert usage.final() == Usage(3, 4)

    @pytest.mark.parametrize(("processed", "read"), [(4, 4), (None, None), ("4", None), (-1, None)])
    def test_how_far_the_prompt_is_read(self, processed: object, read: int | None) -> None:
        """llama.cpp tells how many tokens it has read; what is no count is nothing."""
        usage = UsageCollector(GENERIC).add_vendor_fields(
            Chunk(prompt_progress=raw({"total": 9, "processed": processed}))
        )
        assert usage is not None
        assert finish_and_usage.tokens_read(usage.raw) == read

    def test_progress(self) -> None:
        """llama.cpp tells how long the prompt is while it reads."""
        progress = UsageCollector(GENERIC).add_vendor_fields(Chunk(prompt_progress=raw({"total": 9, "cache": 2})))
        assert progress == Usage(7, cache_read_tokens=2)

    @pytest.mark.parametrize("odd", [7, [], "many", {}, {"total": "x"}, {"usage": 7}])
    def test_odd(self, odd: Any) -> None:
        """Fields of another shape say nothing and do no harm."""
        usage = UsageCollector(GENERIC)
        usage.add(raw(odd))
        assert usage.add_vendor_fields(Chunk(timings=raw(odd), x_groq=raw(odd), prompt_progress=raw(odd))) is None
        assert usage.final() is None
        assert usage.prompt_size(raw(odd)) is None

    def test_prompt_size(self) -> None:
        """The first chunk of some servers tells the prompt; a form that was not filled in does not."""
        usage = UsageCollector(GENERIC)
        assert usage.prompt_size(raw({"prompt_tokens": 3, "completion_tokens": 0})) == Usage(3)
        assert usage.prompt_size(raw({"prompt_tokens": 0, "completion_tokens": 0})) is None
        assert usage.final() is None
