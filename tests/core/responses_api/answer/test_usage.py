"""Tests for `claude_bridge.core.responses_api.answer.usage`."""

from __future__ import annotations

import pytest

from claude_bridge.core.events import Usage
from claude_bridge.core.responses_api.answer.usage import read_usage
from claude_bridge.core.strict_json import Raw, encode
from claude_bridge.testing.responses import response_usage


class UsageTests:
    """Counts, divided as Anthropic does."""

    def test_whole(self) -> None:
        """The prompt without what a cache gave and took; reasoning is a part of the output."""
        raw = Raw(encode(response_usage(100, 20, cached=60, written=30, reasoning=15)))
        assert read_usage(raw) == Usage(
            input_tokens=10, output_tokens=20, cache_read_tokens=60, cache_write_tokens=30, thinking_tokens=15
        )

    def test_llamacpp(self) -> None:
        """llama.cpp has no details of the output."""
        raw = Raw(
            b'{"input_tokens":41,"output_tokens":12,"total_tokens":53,"input_tokens_details":{"cached_tokens":1}}'
        )
        assert read_usage(raw) == Usage(input_tokens=40, output_tokens=12, cache_read_tokens=1)

    def test_impossible(self) -> None:
        """More from a cache than there was in the prompt is cut to the prompt."""
        raw = Raw(encode(response_usage(10, 1, cached=60, written=30)))
        assert read_usage(raw) == Usage(cache_read_tokens=10, output_tokens=1, thinking_tokens=0)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"null",
            b"[]",
            b'{"input_tokens":0,"output_tokens":0}',
            b'{"input_tokens":"9"}',
            b'{"x":"' + b"x" * 20_000 + b'"}',
        ],
    )
    def test_none(self, raw: bytes) -> None:
        """Nothing, zeros, other types and very large objects are no counts."""
        assert read_usage(Raw(raw)) is None
