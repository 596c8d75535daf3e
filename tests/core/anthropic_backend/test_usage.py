"""Tests for `claude_bridge.core.anthropic_backend.usage`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from claude_bridge.core.anthropic_backend.usage import UsageCollector, finished
from claude_bridge.core.events import Finished, FinishReason, Usage
from claude_bridge.core.json_weight import MAX_USAGE_BYTES


def collected(*objects: Any) -> Usage | None:
    """Collect usage objects."""
    counts = UsageCollector()
    for each in objects:
        counts.add(Raw(json.dumps(each).encode()))
    return counts.usage()


class UsageCollectorTests:
    """The counts of an answer."""

    def test_last_counts(self) -> None:
        """Later counts replace earlier ones, and nulls replace nothing."""
        usage = collected({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 9, "input_tokens": None})
        assert usage == Usage(input_tokens=5, output_tokens=9)

    def test_ever_more_fields(self) -> None:
        """A backend that makes up fields does not fill the memory with them."""
        counts = UsageCollector()
        for number in range(10):
            counts.add(Raw(json.dumps({f"{number}_{each}": 1 for each in range(200)}).encode()))
        assert counts.add(Raw(b'{"0_0":2,"output_tokens":7}'))
        usage = counts.usage()
        assert usage is not None
        assert (usage.output_tokens, len(usage.raw or ())) == (7, 201)

    def test_cache(self) -> None:
        """What was read from the cache and written to it is not part of the input."""
        usage = collected({"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3})
        assert usage == Usage(input_tokens=1, cache_read_tokens=2, cache_write_tokens=3)
        assert usage is not None
        assert usage.prompt_tokens == 6

    @pytest.mark.parametrize("odd", [None, [], 3, {}, {"x" * MAX_USAGE_BYTES: 1}])
    def test_odd(self, odd: Any) -> None:
        """What is no usage object brings nothing."""
        counts = UsageCollector()
        assert not counts.add(Raw(json.dumps(odd).encode()))
        assert counts.usage() is None

    def test_broken(self) -> None:
        """Nor does what is no JSON, or nothing at all."""
        counts = UsageCollector()
        assert not counts.add(Raw(b"{"))
        assert not counts.add(Raw())


class FinishedTests:
    """The end of an answer."""

    @pytest.mark.parametrize(
        ("stop", "expected"),
        [
            ({"stop_reason": "max_tokens"}, Finished(FinishReason.LENGTH)),
            ({"stop_reason": 3, "stop_sequence": 4, "stop_details": 5}, Finished(FinishReason.STOPPED)),
            ({"stop_details": {"explanation": 6}}, Finished(FinishReason.STOPPED)),
            ({}, Finished(FinishReason.STOPPED)),
        ],
    )
    def test_odd(self, stop: dict[str, Any], expected: Finished) -> None:
        """Values of other types than the API's count as missing."""
        assert finished(stop, None) == expected
