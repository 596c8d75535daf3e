"""Tests for `claude_bridge.core.tokens.answer_limit`."""

from __future__ import annotations

import pytest

from claude_bridge.core.tokens.answer_limit import clamp_max_tokens, margin


class ClampTests:
    """How many tokens are asked for."""

    @pytest.mark.parametrize(
        ("wanted", "window", "most", "estimate", "expected"),
        [
            (32000, None, None, 10**9, 32000),
            (32000, None, 8192, 0, 8192),
            (64, 1000, 8192, 10**6, 64),
            (32000, 131072, None, 50000, 32000),
            (32000, 32768, None, 10000, 21504),
            (32000, 32768, None, 10500, 21504),
            (32000, 32768, 4096, 10000, 4096),
            (32000, 8192, None, 8000, 1024),
            (32000, 8192, None, 99999, 1024),
        ],
    )
    def test_clamped(self, wanted: int, window: int | None, most: int | None, estimate: int, expected: int) -> None:
        """Never more than the model gives or its window leaves, never so little that the answer is of no use."""
        assert clamp_max_tokens(wanted, estimate, window=window, most=most) == expected

    def test_margin(self) -> None:
        """A part of each window stays free."""
        assert (margin(8192), margin(131072)) == (256, 2621)
