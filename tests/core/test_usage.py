"""Tests for `claude_bridge.core.usage`. What each API names its counts is tested with the API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import json_weight
from claude_bridge.core.events import Usage
from claude_bridge.core.strict_json import Raw
from claude_bridge.core.usage import CACHE_WRITE_NAMES, details, divided, may_hold_counts

COUNT = st.integers(0, 2**40)


def parts(prompt: int, output: int, read: int = 0, thinking: int | None = None, **written: Any) -> Usage | None:
    """Divide counts; ``written`` are details of the prompt."""
    return divided({}, prompt=prompt, output=output, read=read, prompt_details=written, thinking=thinking)


class DivisionTests:
    """The prompt in the parts that Anthropic's API has."""

    @pytest.mark.parametrize("name", CACHE_WRITE_NAMES)
    def test_written(self, name: str) -> None:
        """What was read from a cache and written to it is no input, whatever the server calls it."""
        assert parts(10, 3, read=4, thinking=2, **{name: 5}) == Usage(1, 3, 4, 5, 2)

    def test_first_name(self) -> None:
        """The names mean the same, so that only the first that is there counts, even if it says nothing."""
        assert parts(10, 3, cache_write_tokens=4, cache_creation_tokens=4) == Usage(6, 3, 0, 4)
        assert parts(10, 3, cache_write_tokens=None, cache_creation_tokens=4) == Usage(10, 3)

    def test_more_than_the_prompt(self) -> None:
        """A cache that gave and took more than there was is cut to the prompt."""
        assert parts(10, 3, read=40, cache_write_tokens=5) == Usage(0, 3, 10, 0)
        assert parts(10, 3, read=4, cache_write_tokens=50) == Usage(0, 3, 4, 6)

    @given(prompt=COUNT, output=COUNT, read=COUNT, written=COUNT)
    def test_whole_prompt(self, prompt: int, output: int, read: int, written: int) -> None:
        """The parts always add up to the prompt."""
        usage = parts(prompt, output, read, cache_write_tokens=written) or Usage()
        assert (usage.prompt_tokens, usage.output_tokens) == (prompt, output)

    def test_nothing(self) -> None:
        """Zeros are no counts."""
        assert parts(0, 0, read=4, cache_write_tokens=4, thinking=1) is None

    def test_raw(self) -> None:
        """The backend's own object goes with the counts, as it may say what they cost."""
        raw = {"cost": 1}
        usage = divided(raw, prompt=1, output=1, read=0, prompt_details={}, thinking=None)
        assert usage is not None
        assert usage.raw is raw


class DetailTests:
    """What a usage object has inside."""

    def test_details(self) -> None:
        """An object is returned; where another value is or nothing, there are no details."""
        assert details({"a": {"b": 1}}, "a") == {"b": 1}
        assert details({"a": None}, "a") == details({"a": [1]}, "a") == details({}, "a") == {}

    def test_may_hold_counts(self) -> None:
        """Nothing, null and very large fields cannot contain counts."""
        assert may_hold_counts(Raw(b"{}"))
        assert not may_hold_counts(Raw(b""))
        assert not may_hold_counts(Raw(b"null"))
        assert not may_hold_counts(Raw(b" " * (json_weight.MAX_USAGE_BYTES + 1)))
