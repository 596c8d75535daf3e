"""Tests for `claude_bridge.core.finish`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core import finish
from claude_bridge.core.events import FinishReason, Usage


class FinishReasonTests:
    """Why an answer ended."""

    @pytest.mark.parametrize("word", ["stop", "eos", "tool_calls", "function_call", "something new", None])
    def test_ordinary(self, word: str | None) -> None:
        """An ordinary end, known or not, is an ordinary end."""
        assert finish.finish_reason(word, None, ("X",)) is FinishReason.STOPPED
        assert finish.explanation(word) is None

    @pytest.mark.parametrize("word", ["length", "max_tokens", "model_length"])
    def test_length(self, word: str) -> None:
        """Each server's word for the token limit is the token limit, whatever else it says."""
        assert finish.finish_reason(word, "X", ("X",)) is FinishReason.LENGTH

    @pytest.mark.parametrize("word", ["content_filter", "sensitive", "refusal"])
    def test_refused(self, word: str) -> None:
        """A filtered answer is a refusal, and the person is told in words."""
        assert finish.finish_reason(word, None, ()) is FinishReason.REFUSED
        assert word in (finish.explanation(word) or "")

    @pytest.mark.parametrize(
        ("matched", "reason"),
        [
            ("X", FinishReason.STOP_SEQUENCE),
            ("other", FinishReason.STOPPED),
            (128009, FinishReason.STOPPED),
            (None, FinishReason.STOPPED),
        ],
    )
    def test_stop_sequence(self, matched: str | int | None, reason: FinishReason) -> None:
        """Only a sequence that the client asked for is a stop sequence; a token number is none."""
        assert finish.finish_reason("stop", matched, ("X", "Y")) is reason


class UsageTests:
    """What an answer cost."""

    @pytest.mark.parametrize("count", [10**400, 2**53 + 1, 1e300, float("inf"), float("nan"), -1, -0.5])
    def test_impossible_counts(self, count: float) -> None:
        """A number that cannot be a count of tokens says nothing."""
        usage = finish.usage({"prompt_tokens": count, "completion_tokens": 3})
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (0, 3)
        assert finish.usage({"prompt_tokens": count}) is None
        assert finish.usage_of_timings({"prompt_n": count}) is None

    @pytest.mark.parametrize(
        ("raw", "division"),
        [
            ({"prompt_tokens": 10, "completion_tokens": 3}, (10, 3, 0, 0, None)),
            ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}}, (6, 0, 4, 0, None)),
            ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "completion_tokens": 1}, (6, 1, 4, 0, None)),
            ({"prompt_tokens": 10, "cached_tokens": 4}, (6, 0, 4, 0, None)),
            (
                {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 4},
                (10, 0, 0, 0, None),
            ),
            ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": None}}, (10, 0, 0, 0, None)),
            (
                {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
                (3, 0, 4, 3, None),
            ),
            (
                {"prompt_tokens": 10, "prompt_tokens_details": {"cache_creation_input_tokens": 3}},
                (7, 0, 0, 3, None),
            ),
            ({"prompt_tokens": 4, "cached_tokens": 9}, (0, 0, 4, 0, None)),
            ({"completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2}}, (0, 3, 0, 0, 2)),
            ({"prompt_tokens": 4.0, "completion_tokens": 3, "prompt_tokens_details": None}, (4, 3, 0, 0, None)),
            ({"prompt_tokens": -1, "completion_tokens": 3}, (0, 3, 0, 0, None)),
        ],
    )
    def test_division(self, raw: dict[str, Any], division: tuple[int, int, int, int, int | None]) -> None:
        """Tokens are divided as Anthropic does: the input count leaves out what the cache gave or took."""
        assert finish.usage(raw) == Usage(*division)
        used = finish.usage(raw)
        assert used is not None
        assert used.raw is raw

    @pytest.mark.parametrize("raw", [{}, {"total_tokens": 3}, {"prompt_tokens": "3"}, {"prompt_tokens": True}])
    def test_says_nothing(self, raw: dict[str, Any]) -> None:
        """Usage that does not say is no usage."""
        assert finish.usage(raw) is None

    def test_timings(self) -> None:
        """llama.cpp's timings are the last resort; their prompt count leaves out the cache already."""
        assert finish.usage_of_timings({"prompt_n": 5, "predicted_n": 7, "cache_n": 20}) == Usage(5, 7, 20)
        assert finish.usage_of_timings({"predicted_n": 7}) == Usage(0, 7)
        assert finish.usage_of_timings({"prompt_ms": 1.5}) is None
