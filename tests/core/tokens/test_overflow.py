"""Tests for `claude_bridge.core.tokens.overflow`: the two texts on which clients act."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.tokens.overflow import Overflow, canonical, shrunk_max_tokens
from tests.core.overflows import BOTH, PROMPT, is_true

NUMBERS = st.none() | st.integers(1, 2_000_000)


class CanonicalTests:
    """The two texts."""

    def test_prompt_too_long(self) -> None:
        """A prompt beyond the window is told with both numbers."""
        error = canonical(Overflow(prompt_tokens=9739, window=8192), estimate=1, window=None, max_tokens=10)
        assert error.message == "prompt is too long: 9739 tokens > 8192 maximum"
        assert error.status == 400

    def test_answer_too_long(self) -> None:
        """A prompt that fits, with too large an answer asked for, is told as the sum of both."""
        overflow = Overflow(prompt_tokens=100000, completion_tokens=64000, window=131072)
        text = canonical(overflow, estimate=1, window=None, max_tokens=1).message
        assert text == (
            "input length and `max_tokens` exceed context limit: 100000 + 64000 > 131072, decrease input length or "
            "`max_tokens` and try again"
        )

    def test_no_room_for_an_answer(self) -> None:
        """A prompt that nearly fills the window counts as too long: lowering max_tokens would end in nothing."""
        overflow = Overflow(prompt_tokens=130500, completion_tokens=8000, window=131072)
        text = canonical(overflow, estimate=1, window=None, max_tokens=8000).message
        assert text == "prompt is too long: 130500 tokens > 129048 maximum"

    def test_estimate_and_configuration_step_in(self) -> None:
        """Where the server gives no number, the bridge's own count and the configured window are told."""
        text = canonical(Overflow(), estimate=150000, window=131072, max_tokens=10).message
        assert text == "prompt is too long: 150000 tokens > 131072 maximum"

    def test_low_estimate(self) -> None:
        """An estimate that says it should fit does not make the text contradict itself."""
        text = canonical(Overflow(), estimate=1000, window=131072, max_tokens=10).message
        assert text == "prompt is too long: 131073 tokens > 131072 maximum"

    def test_total_only(self) -> None:
        """Where only the sum is told, the prompt is what the answer leaves of it."""
        overflow = Overflow(total_tokens=262817, window=262144)
        assert BOTH.fullmatch(canonical(overflow, estimate=1, window=None, max_tokens=32000).message)
        assert overflow.prompt(max_tokens=32000) == 230817

    def test_lower_bound(self) -> None:
        """A prompt of which only a lower bound is known is called too long: that always lets the client go on."""
        overflow = Overflow(prompt_tokens=24577, completion_tokens=8192, window=32768, at_least=True)
        assert PROMPT.fullmatch(canonical(overflow, estimate=100, window=None, max_tokens=8192).message)

    @given(
        st.builds(
            Overflow,
            prompt_tokens=NUMBERS,
            completion_tokens=NUMBERS,
            window=NUMBERS,
            total_tokens=NUMBERS,
            at_least=st.booleans(),
        ),
        st.integers(0, 2_000_000),
        NUMBERS,
        st.integers(1, 200_000),
    )
    def test_true_inequality(self, overflow: Overflow, estimate: int, window: int | None, max_tokens: int) -> None:
        """Whatever is known, the text is one of the two and what it claims is arithmetic truth."""
        text = canonical(overflow, estimate=estimate, window=window, max_tokens=max_tokens).message
        assert is_true(text), text

    def test_answer_alone_too_long(self) -> None:
        """More asked for than the whole window holds is told as such: to compact the prompt would not help."""
        overflow = Overflow(completion_tokens=131072, window=32768)
        text = canonical(overflow, estimate=12000, window=None, max_tokens=131072).message
        assert text.startswith("input length and `max_tokens` exceed context limit: 12000 + 131072 > 32768, ")
        assert PROMPT.fullmatch(canonical(overflow, estimate=32000, window=None, max_tokens=131072).message)


class ShrunkMaxTokensTests:
    """The one retry with less to ask for."""

    def test_room_left(self) -> None:
        """What the window leaves beside the prompt and the margin is asked for."""
        overflow = Overflow(prompt_tokens=100000, completion_tokens=64000, window=131072)
        assert shrunk_max_tokens(overflow, estimate=1, window=None, max_tokens=64000, margin=500) == 30572

    def test_no_room(self) -> None:
        """Below 1,024 tokens for the answer there is no retry."""
        overflow = Overflow(prompt_tokens=130000, completion_tokens=64000, window=131072)
        assert shrunk_max_tokens(overflow, estimate=1, window=None, max_tokens=64000, margin=48) == 1024
        assert shrunk_max_tokens(overflow, estimate=1, window=None, max_tokens=64000, margin=49) is None

    def test_prompt_alone_too_long(self) -> None:
        """A prompt beyond the window is not tried again."""
        overflow = Overflow(prompt_tokens=200000, window=131072)
        assert shrunk_max_tokens(overflow, estimate=1, window=None, max_tokens=64000, margin=500) is None

    def test_nothing_to_shrink(self) -> None:
        """A retry that would ask for as much as before is not made."""
        assert shrunk_max_tokens(Overflow(), estimate=1000, window=131072, max_tokens=4096, margin=500) is None

    def test_unknown_window(self) -> None:
        """Without any window there is nothing to compute."""
        assert shrunk_max_tokens(Overflow(), estimate=1000, window=None, max_tokens=4096, margin=500) is None

    def test_lower_bound(self) -> None:
        """Where the prompt is only bounded from below, the bridge's own larger estimate is used."""
        overflow = Overflow(prompt_tokens=3073, completion_tokens=128000, window=131072, at_least=True)
        assert shrunk_max_tokens(overflow, estimate=20000, window=None, max_tokens=128000, margin=1000) == 110072
