"""Overflows are recognised in the words of every known server and said in the words of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.tokens.overflow import Overflow, canonical
from claude_bridge.core.upstream_errors.overflow_detection import detect, max_output_limit
from tests.core.overflows import NEAR_MISSES, WORDINGS, Wording, is_true


def failure(message: str = "", *, status: int = 400, code: str = "", kind: str = "") -> UpstreamFailure:
    """Make a failure as the normaliser would."""
    return UpstreamFailure(status=status, code=code, type=kind, message=message)


def found(message: str, status: int = 400) -> Overflow:
    """Detect an overflow that must be there."""
    overflow = detect(failure(message, status=status))
    assert overflow is not None
    return overflow


class DetectTests:
    """What counts as an overflow."""

    @pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording.server)
    def test_wordings(self, wording: Wording) -> None:
        """Each server's own words are recognised, and every number that they hold is read."""
        overflow = found(wording.message, wording.status)
        assert (overflow.prompt_tokens, overflow.completion_tokens, overflow.total_tokens, overflow.window) == (
            wording.prompt,
            wording.completion,
            wording.total,
            wording.window,
        )
        assert not overflow.at_least

    @pytest.mark.parametrize("wording", WORDINGS, ids=lambda wording: wording.server)
    def test_wordings_become_canonical(self, wording: Wording) -> None:
        """Whatever the server, the client reads exactly one of two texts, and their inequality holds."""
        overflow = found(wording.message, wording.status)
        text = canonical(overflow, estimate=5000, window=None, max_tokens=32000).message
        assert is_true(text), text

    @pytest.mark.parametrize("status", [400, 413, 422, 500, 502])
    def test_names(self, status: int) -> None:
        """The code or the type alone is enough, whatever the text says and wherever the error was found."""
        assert detect(failure("no", status=status, code="context_length_exceeded"))
        assert detect(failure("nein", status=status, kind="exceed_context_size_error"))

    def test_numbers_of_their_own(self) -> None:
        """Numbers that the server gives as numbers win over those in its text."""
        told = UpstreamFailure(
            status=400,
            type="exceed_context_size_error",
            message="request (1 tokens) exceeds the available context size (2 tokens)",
            prompt_tokens=9739,
            context_window=8192,
        )
        assert detect(told) == Overflow(prompt_tokens=9739, window=8192)

    def test_lower_bound(self) -> None:
        """Where vLLM stopped counting at its limit, the number is not taken for the size of the prompt."""
        overflow = found(
            "This model's maximum context length is 32768 tokens. However, you requested 8192 output tokens and your "
            "prompt contains at least 24577 input tokens, for a total of at least 32769 tokens. Please reduce the "
            "length of the input prompt or the number of requested output tokens. (parameter=input_tokens, "
            "value=24577)"
        )
        assert overflow == Overflow(prompt_tokens=24577, completion_tokens=8192, window=32768, at_least=True)
        assert overflow.prompt(max_tokens=8192) is None

    def test_characters(self) -> None:
        """Where vLLM did not count tokens at all, its characters are not taken for tokens."""
        overflow = found(
            "This model's maximum context length is 8192 tokens. However, you requested 8000 output tokens and your "
            "prompt contains 78627 characters (more than 14592 characters, which is the upper bound for 192 input "
            "tokens). Please reduce the length of the input prompt or the number of requested output tokens. "
            "(parameter=input_text, value=78627)"
        )
        assert overflow == Overflow(prompt_tokens=192, completion_tokens=8000, window=8192, at_least=True)

    @pytest.mark.parametrize("message", NEAR_MISSES)
    def test_near_misses(self, message: str) -> None:
        """A long parameter, a rate limit or too large an answer is not taken for a full window."""
        assert detect(failure(message)) is None

    def test_string_above_max_length(self) -> None:
        """OpenAI's code for a long string rules an overflow out."""
        assert detect(failure("reduce the length of the messages", code="string_above_max_length")) is None

    @pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 503, 529])
    def test_other_statuses(self, status: int) -> None:
        """What is refused for another reason is not an overflow, even if it speaks of one."""
        assert detect(failure("prompt is too long: 5 tokens > 4 maximum", status=status)) is None

    @given(st.builds(UpstreamFailure, status=st.sampled_from([400, 413, 500]), code=st.text(), message=st.text()))
    def test_never_raises(self, told: UpstreamFailure) -> None:
        """No message can make the detection fail."""
        detect(told)
        max_output_limit(told)

    @given(st.lists(st.sampled_from([w.message for w in WORDINGS] + ["9" * 40, ", ", "(", " tokens "]), max_size=6))
    def test_mixtures(self, parts: list[str]) -> None:
        """Wordings run into each other still give one canonical text with a true inequality."""
        overflow = detect(failure("".join(parts)))
        if overflow is not None:
            text = canonical(overflow, estimate=100, window=200, max_tokens=300).message
            assert is_true(text), text


class MaxOutputLimitTests:
    """Answers larger than the model ever gives."""

    @pytest.mark.parametrize(
        ("message", "limit"),
        [
            (
                (
                    "max_tokens is too large: 128000. This model supports at most 16384 completion tokens, whereas you "
                    "provided 128000."
                ),
                16384,
            ),
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
            ("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 16384]", 16384),
            (
                (
                    "The parameter `max_completion_tokens` specified in the request are not valid: integer above "
                    "maximum value, expected a value <= 12288, but got 32000 instead. Request id: 0217"
                ),
                12288,
            ),
            (
                (
                    "max_tokens: 128000 > 8192, which is the maximum allowed number of output tokens for "
                    "claude-3-5-sonnet-20241022"
                ),
                8192,
            ),
            (
                (
                    "`max_completion_tokens` must be less than or equal to `32768`, the maximum value for "
                    "`max_completion_tokens` is less than the `context_window` for this model"
                ),
                32768,
            ),
            ("body.max_tokens: Input should be less than or equal to 4096", 4096),
            (
                (
                    "Unable to submit request because it has a maxOutputTokens value of 128000 but the supported "
                    "range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again."
                ),
                65536,
            ),
            ("max_tokens must be less than 8193", 8192),
            ("The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value", 8192),
            (
                (
                    "Param Incorrect: max_tokens is too large: 1048576. This model supports at most 131072 completion "
                    "tokens, whereas you provided 1048576."
                ),
                131072,
            ),
            ("body.top_p: Input should be less than or equal to 1; body.max_tokens: Input should be <= 4096", 4096),
            ("temperature must be <= 2 and max_tokens at most 8,192", 8192),
            ("max_tokens must be at least 1 and less than or equal to 1024", 1024),
            ("max_tokens\u53c2\u6570\u975e\u6cd5\u3002\u8bf7\u9650\u5236\u5728[1,98304]", 98304),
        ],
    )
    def test_wordings(self, message: str, limit: int) -> None:
        """The number of tokens that the model does give is read out of each server's words."""
        assert max_output_limit(failure(message)) == limit
        assert detect(failure(message)) is None

    @pytest.mark.parametrize(
        "message",
        [
            "max_tokens must be at least 1, got -5",
            "Requests with max_tokens > 4096 must have stream=true",
            "temperature must be less than or equal to 2",
            "Invalid request: max_tokens must be an integer, top_p must be less than or equal to 1",
            "max_tokens is required; max_image_size must be at most 4096",
            "seed must be less than 65536, max_tokens must be an integer",
            "max_tokens is no integer; temperature must lie in [0, 2000]",
            "max_tokens must be at most 1023",
            "max_tokens must be less than 1024",
            "`max_tokens` must be greater than `thinking.budget_tokens`",
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is "
                "65536 tokens and your request has 57879 input tokens (8192 > 65536 - 57879)."
            ),
        ],
    )
    def test_other_complaints(self, message: str) -> None:
        """No limit is read out of a complaint about something else."""
        assert max_output_limit(failure(message)) is None

    def test_other_statuses(self) -> None:
        """A rate limit that mentions max_tokens is none."""
        assert max_output_limit(failure("max_tokens: this model supports at most 10", status=429)) is None
