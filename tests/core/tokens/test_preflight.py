"""Promises of the look at a prompt's length before a backend gets it."""

from __future__ import annotations

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.tokens.preflight import counted_whole_prompt, overflow_refusal
from tests.core.overflows import is_true

REFUSES = Target(model="m", context_window=100_000)
CUTS = evolve(REFUSES, truncates=True)


@define
class Ratios:
    """What true counts taught."""

    ratio: float = 1.0
    count_ratio: float = 1.0
    answers: int = 0


KNOWN = Ratios(answers=1)


def refusal_for(
    target: Target, counted: int, known: Ratios, *, rough: int | None = None, max_tokens: int | None = 32_000
) -> str | None:
    """Return the refusal's text for a prompt of ``counted`` tokens by our count."""
    rough = counted if rough is None else rough
    error = overflow_refusal(target, rough=rough, max_tokens=max_tokens, calibration=known, count=lambda: counted)
    return None if error is None else error.message


class RefusalTests:
    """Prompts that are too long."""

    @pytest.mark.parametrize(("counted", "refused"), [(105_000, False), (105_001, True)])
    def test_surely_too_long(self, counted: int, refused: bool) -> None:
        """A backend that refuses by itself is only spared what our true counts say is 5 % beyond its window."""
        assert (refusal_for(REFUSES, counted, KNOWN) is not None) is refused

    def test_text(self) -> None:
        """The client reads the words that make it compact, with our count and the window."""
        assert refusal_for(REFUSES, 120_000, KNOWN) == "prompt is too long: 120000 tokens > 100000 maximum"

    def test_corrected(self) -> None:
        """What counts is the count as true counts correct it, up or down."""
        assert refusal_for(REFUSES, 120_000, Ratios(count_ratio=0.8, answers=3)) is None
        text = refusal_for(REFUSES, 90_000, Ratios(count_ratio=1.2, answers=3))
        assert text == "prompt is too long: 108000 tokens > 100000 maximum"

    def test_nothing_to_compare_with(self) -> None:
        """Without any true count an estimate refuses nothing that the backend could judge better."""
        assert refusal_for(REFUSES, 1_000_000, Ratios()) is None

    @pytest.mark.parametrize("target", [REFUSES, CUTS])
    def test_unknown_window(self, target: Target) -> None:
        """Without a window nothing is refused."""
        assert refusal_for(evolve(target, context_window=None), 10_000_000, KNOWN) is None

    @pytest.mark.parametrize("known", [Ratios(), KNOWN])
    @pytest.mark.parametrize(("counted", "refused"), [(98_976, False), (98_977, True)])
    def test_what_would_be_cut(self, counted: int, refused: bool, known: Ratios) -> None:
        """Where a prompt would be cut without a word it must fit, with room for 1,024 tokens of an answer."""
        assert (refusal_for(CUTS, counted, known) is not None) is refused

    def test_text_of_what_would_be_cut(self) -> None:
        """The client is told how long a prompt may be there."""
        assert refusal_for(CUTS, 99_000, Ratios()) == "prompt is too long: 99000 tokens > 98976 maximum"

    def test_small_answer(self) -> None:
        """A client that wants a short answer needs no more room."""
        assert refusal_for(CUTS, 99_900, Ratios(), max_tokens=100) is None
        assert refusal_for(CUTS, 99_901, Ratios(), max_tokens=100) == "prompt is too long: 99901 tokens > 99900 maximum"

    @pytest.mark.parametrize("target", [REFUSES, CUTS])
    def test_short_prompts_are_not_counted(self, target: Target) -> None:
        """A prompt that is far from the window costs no time."""

        def never() -> int:
            raise AssertionError("counted")

        assert overflow_refusal(target, rough=79_000, max_tokens=1, calibration=KNOWN, count=never) is None

    def test_low_ratio_of_cut_prompts(self) -> None:
        """A low ratio, which cut prompts may have taught, does not keep a long prompt from being counted."""
        known = Ratios(ratio=0.5, answers=9)
        assert refusal_for(CUTS, 110_000, known, rough=110_000) is not None
        assert refusal_for(REFUSES, 110_000, known, rough=110_000) is None

    @given(
        st.builds(
            Target,
            model=st.just("m"),
            context_window=st.none() | st.integers(1, 3_000_000),
            truncates=st.booleans(),
        ),
        st.integers(0, 10**7),
        st.integers(0, 10**7),
        st.builds(Ratios, ratio=st.floats(0.5, 2), count_ratio=st.floats(0.5, 2), answers=st.integers(0, 5)),
        st.none() | st.integers(0, 10**6),
    )
    def test_any_numbers(self, target: Target, rough: int, counted: int, known: Ratios, max_tokens: int | None) -> None:
        """Whatever the numbers, the text is a canonical one and true."""
        text = refusal_for(target, counted, known, rough=rough, max_tokens=max_tokens)
        assert text is None or (text.startswith("prompt is too long") and is_true(text))


class TeachesTests:
    """True counts that ratios may be learned from."""

    def test_whole_prompts(self) -> None:
        """Where nothing is cut, every count is that of the whole prompt."""
        assert counted_whole_prompt(evolve(REFUSES, context_window=None), rough=100_000, true=2_000)

    def test_cut_prompts(self) -> None:
        """Where prompts are cut, half the expected tokens, or an unknown window, may mean that this one was."""
        assert counted_whole_prompt(CUTS, rough=100_000, true=50_000)
        assert not counted_whole_prompt(CUTS, rough=100_000, true=49_999)
        assert not counted_whole_prompt(evolve(CUTS, context_window=None), rough=100_000, true=100_000)
