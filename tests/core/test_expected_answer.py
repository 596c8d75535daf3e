"""Tests for `claude_bridge.core.expected_answer`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.events import Usage
from claude_bridge.core.expected_answer import FIRST_OUTPUT, ExpectedAnswer
from claude_bridge.core.prices import Rates


class ExpectedAnswerTests:
    """What is expected of a model."""

    def test_first(self) -> None:
        """Of a model that has not answered an answer of usual length is expected, at no known cost."""
        assert (ExpectedAnswer().tokens, ExpectedAnswer().usd) == (FIRST_OUTPUT, 0)

    def test_recent(self) -> None:
        """What a model did long ago has little weight."""
        known = ExpectedAnswer()
        for tokens in (*[10] * 1000, *[1000] * 250):
            known.learn(Usage(1, tokens), None)
        assert 980 < known.tokens <= 1000

    @given(st.lists(st.integers(0, 10**6), min_size=1))
    def test_mean(self, tokens: list[int]) -> None:
        """It is between the shortest and the longest answer, and one at an unknown price changes no cost."""
        known = ExpectedAnswer()
        for each in tokens:
            known.learn(Usage(1, each), 7)
            known.learn(Usage(1, each), None)
        assert min(tokens) - 1e-6 <= known.tokens <= max(tokens) + 1e-6
        assert 0 <= known.usd <= 7 + 1e-9

    def test_cost_of_a_prompt(self) -> None:
        """A model that has not answered has the full price; then as much is cached as it lately was, in tokens."""
        rates = Rates(input=100, cache_read=10, cache_write=125, output=500, reasoning=500)
        known = ExpectedAnswer()
        assert known.prompt_cost(1000, rates) == 100_000
        known.learn(Usage(100, 1), None)
        assert known.prompt_cost(1000, rates) == 100_000
        known.learn(Usage(100, 1, cache_read_tokens=600, cache_write_tokens=200), None)
        assert known.prompt_cost(1000, rates) == 200 * 100 + 600 * 10 + 200 * 125
        for _ in range(100):
            known.learn(Usage(0, 1, cache_read_tokens=5000), None)
        assert 10_000 <= known.prompt_cost(1000, rates) < 16_000

    @given(
        st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), min_size=1),
        st.tuples(*[st.integers(0, 10**8)] * 3),
        st.integers(0, 10**7),
    )
    def test_cost_is_between_the_prices(
        self, prompts: list[tuple[int, int, int]], prices: tuple[int, int, int], tokens: int
    ) -> None:
        """A prompt never costs less than at the lowest price of its parts, nor more than at the highest."""
        known = ExpectedAnswer()
        for whole, read, written in prompts:
            known.learn(Usage(whole, 1, read, written), None)
        input_price, read_price, write_price = prices
        rates = Rates(input=input_price, cache_read=read_price, cache_write=write_price, output=0, reasoning=0)
        exact = 1 + tokens * max(prices) * 1e-9
        cost = known.prompt_cost(tokens, rates)
        assert tokens * min(prices) - exact <= cost <= tokens * max(prices) + exact
        assert cost >= 0
