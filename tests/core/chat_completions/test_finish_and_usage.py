"""Tests for `claude_bridge.core.chat_completions.finish_and_usage`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.events import FinishReason, Usage


class FinishReasonTests:
    """Why an answer ended."""

    @pytest.mark.parametrize("word", ["stop", "eos", "tool_calls", "function_call", "something new", None])
    def test_ordinary(self, word: str | None) -> None:
        """An ordinary end, known or not, is an ordinary end."""
        assert finish_and_usage.finish_reason(word, None, ("X",)) is FinishReason.STOPPED
        assert finish_and_usage.explanation(word) is None

    @pytest.mark.parametrize("word", ["length", "max_tokens", "model_length"])
    def test_length(self, word: str) -> None:
        """Each server's word for the token limit is the token limit, whatever else it says."""
        assert finish_and_usage.finish_reason(word, "X", ("X",)) is FinishReason.LENGTH

    def test_full(self) -> None:
        """Z.ai says itself that the window is full (docs.z.ai, finish_reason)."""
        assert finish_and_usage.finish_reason("model_context_window_exceeded", None, ()) is FinishReason.CONTEXT_FULL

    @pytest.mark.parametrize("word", ["content_filter", "sensitive", "refusal"])
    def test_refused(self, word: str) -> None:
        """A filtered answer is a refusal, and the person is told in words."""
        assert finish_and_usage.finish_reason(word, None, ()) is FinishReason.REFUSED
        assert word in (finish_and_usage.explanation(word) or "")

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
        assert finish_and_usage.finish_reason("stop", matched, ("X", "Y")) is reason


class UsageTests:
    """What an answer cost."""

    @pytest.mark.parametrize("count", [10**400, 2**53 + 1, 1e300, float("inf"), float("nan"), -1, -0.5])
    def test_impossible_counts(self, count: float) -> None:
        """A number that cannot be a count of tokens says nothing."""
        usage = finish_and_usage.usage({"prompt_tokens": count, "completion_tokens": 3})
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == (0, 3)
        assert finish_and_usage.usage({"prompt_tokens": count}) is None
        assert finish_and_usage.usage_of_timings({"prompt_n": count}) is None

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
        assert finish_and_usage.usage(raw) == Usage(*division)
        used = finish_and_usage.usage(raw)
        assert used is not None
        assert used.raw is raw

    @pytest.mark.parametrize(
        "raw",
        [
            {},
            {"total_tokens": 3},
            {"prompt_tokens": "3"},
            {"prompt_tokens": True},
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        ],
    )
    def test_says_nothing(self, raw: dict[str, Any]) -> None:
        """Usage that does not say is no usage."""
        assert finish_and_usage.usage(raw) is None

    def test_timings(self) -> None:
        """llama.cpp's timings are the last resort; their prompt count leaves out the cache already."""
        assert finish_and_usage.usage_of_timings({"prompt_n": 5, "predicted_n": 7, "cache_n": 20}) == Usage(5, 7, 20)
        assert finish_and_usage.usage_of_timings({"predicted_n": 7}) == Usage(0, 7)
        assert finish_and_usage.usage_of_timings({"prompt_ms": 1.5}) is None


COUNT = st.integers(0, 2**40)


def deepseek(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as DeepSeek does, which writes to its cache unasked."""
    missed = written + rest
    return {"prompt_tokens": hit + missed, "prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": missed}


def deepseek_parts(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name only the parts."""
    raw = deepseek(hit, written, rest)
    return {key: raw[key] for key in raw if key != "prompt_tokens"}


def openrouter(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as OpenRouter does."""
    details = {"cached_tokens": hit, "cache_write_tokens": written}
    return {"prompt_tokens": hit + written + rest, "prompt_tokens_details": details, "cost": 0.1}


def dashscope(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as DashScope does."""
    details = {"cached_tokens": hit, "cache_creation_input_tokens": written, "cache_type": "ephemeral"}
    return {"prompt_tokens": hit + written + rest, "prompt_tokens_details": details}


def litellm(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as LiteLLM does."""
    details = {"cached_tokens": hit, "cache_creation_tokens": written}
    return {"prompt_tokens": hit + written + rest, "prompt_tokens_details": details}


def vllm(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as vLLM does."""
    details = {"cached_tokens": hit, "created_cache_tokens": written}
    return {"prompt_tokens": hit + written + rest, "prompt_tokens_details": details}


def moonshot(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as Moonshot does."""
    return {"prompt_tokens": hit + written + rest, "cached_tokens": hit}


def openai(hit: int, written: int, rest: int) -> dict[str, Any]:
    """Name the parts as OpenAI and most others do."""
    return {"prompt_tokens": hit + written + rest, "prompt_tokens_details": {"cached_tokens": hit}}


class IdentityTests:
    """The parts add up to the backend's prompt tokens, whoever names them how."""

    @pytest.mark.parametrize("naming", [deepseek, deepseek_parts, openrouter, dashscope, moonshot, openai])
    def test_example(self, naming: Callable[[int, int, int], dict[str, Any]]) -> None:
        """What the cache gave is told apart in each naming."""
        used = finish_and_usage.usage(naming(50, 20, 30))
        assert used is not None
        assert used.cache_read_tokens == 50
        assert used.input_tokens + used.cache_write_tokens == 50

    @pytest.mark.parametrize("naming", [openrouter, dashscope, litellm, vllm])
    def test_written(self, naming: Callable[[int, int, int], dict[str, Any]]) -> None:
        """So is what was written to it, where the server counts that."""
        used = finish_and_usage.usage(naming(80, 10, 10))
        assert used is not None
        assert (used.input_tokens, used.cache_read_tokens, used.cache_write_tokens) == (10, 80, 10)

    @given(
        naming=st.sampled_from([deepseek, deepseek_parts, openrouter, dashscope, litellm, vllm, moonshot, openai]),
        parts=st.tuples(COUNT, COUNT, COUNT),
        apart=st.booleans(),
    )
    def test_whole_prompt(
        self, naming: Callable[[int, int, int], dict[str, Any]], parts: tuple[int, int, int], apart: bool
    ) -> None:
        """Input, read and written are the prompt; of an empty one nothing is said."""
        used = finish_and_usage.usage(naming(*parts), counted_apart=apart) or Usage()
        assert used.input_tokens + used.cache_read_tokens + used.cache_write_tokens == sum(parts)

    @given(hit=COUNT, rest=COUNT, completion=COUNT, reasoning=COUNT)
    def test_counted_apart(self, hit: int, rest: int, completion: int, reasoning: int) -> None:
        """At xAI the prompt leaves out the cached part where that is larger, and the completion the reasoning."""
        raw = {
            "prompt_tokens": rest if hit > rest else hit + rest,
            "completion_tokens": completion,
            "prompt_tokens_details": {"cached_tokens": hit},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": hit + rest + completion + reasoning,
        }
        used = finish_and_usage.usage(raw, counted_apart=True) or Usage(thinking_tokens=0)
        assert used == Usage(rest, completion + reasoning, hit, 0, reasoning)
