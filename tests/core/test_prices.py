"""Tests for `claude_bridge.core.prices`: every token is priced exactly once, and nothing is lost to rounding."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.events import Usage
from claude_bridge.core.prices import (
    DOLLAR,
    Price,
    Tier,
    a_million,
    dollars,
    dollars_beside,
    in_short,
    per_token,
    pico_dollars,
)

RATE = st.integers(0, 10**9)
COUNT = st.integers(0, 10**9)
OPTIONAL = st.none() | RATE

USAGES = st.builds(
    Usage,
    input_tokens=COUNT,
    output_tokens=COUNT,
    cache_read_tokens=COUNT,
    cache_write_tokens=COUNT,
    thinking_tokens=st.none() | COUNT,
)
TIERS = st.builds(
    Tier,
    above=st.integers(1, 10**9),
    input=OPTIONAL,
    cache_read=OPTIONAL,
    cache_write=OPTIONAL,
    output=OPTIONAL,
    reasoning=OPTIONAL,
)
PRICES = st.builds(
    Price,
    input=RATE,
    output=RATE,
    cache_read=OPTIONAL,
    cache_write=OPTIONAL,
    reasoning=OPTIONAL,
    tiers=st.lists(TIERS, max_size=3).map(tuple),
)


class CostTests:
    """What a request and its answer cost."""

    GLM = Price(input=300_000, cache_read=60_000, cache_write=350_000, output=1_100_000)

    def test_parts(self) -> None:
        """Fresh input, cached input, written input and output each have their price."""
        usage = Usage(input_tokens=100, cache_read_tokens=10, cache_write_tokens=1, output_tokens=7)
        assert self.GLM.cost(usage) == 100 * 300_000 + 10 * 60_000 + 1 * 350_000 + 7 * 1_100_000

    def test_reasoning_is_output(self) -> None:
        """Without a price of its own reasoning costs what the rest of the output costs, and is not counted twice."""
        usage = Usage(input_tokens=0, output_tokens=100, thinking_tokens=60)
        assert self.GLM.cost(usage) == 100 * 1_100_000

    def test_reasoning_apart(self) -> None:
        """With a price of its own only the rest of the output costs the price of output."""
        price = evolve(self.GLM, reasoning=2_000_000)
        usage = Usage(input_tokens=0, output_tokens=100, thinking_tokens=60)
        assert price.cost(usage) == 40 * 1_100_000 + 60 * 2_000_000

    def test_more_reasoning_than_output(self) -> None:
        """A backend that reports more reasoning than output is believed about the output."""
        price = evolve(self.GLM, reasoning=2_000_000)
        assert price.cost(Usage(output_tokens=10, thinking_tokens=99)) == 10 * 2_000_000

    def test_cache_without_price(self) -> None:
        """Cached tokens cost what others cost if the price says nothing of them."""
        price = Price(input=300_000, output=1_100_000)
        usage = Usage(input_tokens=1, cache_read_tokens=10, cache_write_tokens=100)
        assert price.cost(usage) == 111 * 300_000

    def test_tier(self) -> None:
        """A longer prompt has all its tokens, and those of the answer, at the higher price; cached ones count."""
        price = evolve(self.GLM, tiers=(Tier(above=200_000, input=600_000, output=2_200_000),))
        within = Usage(input_tokens=100_000, cache_read_tokens=100_000, output_tokens=10)
        beyond = evolve(within, input_tokens=100_001)
        assert price.cost(within) == self.GLM.cost(within)
        assert price.cost(beyond) == 100_001 * 600_000 + 100_000 * 60_000 + 10 * 2_200_000

    def test_tiers_build_on_each_other(self) -> None:
        """A tier changes what it names and leaves the rest as below it, in whatever order they are written."""
        high, low = Tier(above=400_000, input=900_000), Tier(above=200_000, input=600_000, output=2_200_000)
        rates = evolve(self.GLM, cache_read=None, tiers=(high, low)).rates(400_001)
        assert (rates.input, rates.cache_read, rates.output) == (900_000, 900_000, 2_200_000)

    @given(PRICES, USAGES)
    def test_sum_of_parts(self, price: Price, usage: Usage) -> None:
        """The cost is the sum of the parts, whose tokens add up to the prompt and the output."""
        rates = price.rates(usage.prompt_tokens)
        reasoning = min(usage.thinking_tokens or 0, usage.output_tokens)
        parts = [
            (usage.input_tokens, rates.input),
            (usage.cache_read_tokens, rates.cache_read),
            (usage.cache_write_tokens, rates.cache_write),
            (usage.output_tokens - reasoning, rates.output),
            (reasoning, rates.reasoning),
        ]
        assert price.cost(usage) == sum(tokens * rate for tokens, rate in parts)
        assert sum(tokens for tokens, _ in parts) == usage.prompt_tokens + usage.output_tokens

    @given(PRICES, USAGES, st.sampled_from(["input_tokens", "cache_read_tokens", "cache_write_tokens"]), COUNT)
    def test_more_tokens_cost_no_less(self, price: Price, usage: Usage, part: str, more: int) -> None:
        """With the same prices more tokens of any part of the prompt never cost less."""
        price = evolve(price, tiers=())
        assert price.cost(evolve(usage, **{part: getattr(usage, part) + more})) >= price.cost(usage)

    @given(PRICES, USAGES, COUNT)
    def test_more_output_costs_no_less(self, price: Price, usage: Usage, more: int) -> None:
        """A longer answer never costs less, in any tier; ``more`` of it is no reasoning."""
        reasoned = min(usage.thinking_tokens or 0, usage.output_tokens)
        usage = evolve(usage, thinking_tokens=reasoned)
        assert price.cost(evolve(usage, output_tokens=usage.output_tokens + more)) >= price.cost(usage)

    @given(PRICES, USAGES)
    def test_one_price_for_all(self, price: Price, usage: Usage) -> None:
        """Where every part costs the same, only the number of tokens counts."""
        flat = Price(input=price.input, output=price.input)
        assert flat.cost(usage) == price.input * (usage.prompt_tokens + usage.output_tokens)


class AmountTests:
    """Amounts of money as files and backends write them."""

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("0.30", 300_000_000_000),
            ("1e-6", 1_000_000),
            ("0.0000003", 300_000),
            (" 0.0042 ", 4_200_000_000),
            (0.1, 100_000_000_000),
            (3e-07, 300_000),
            (2, 2 * DOLLAR),
            (Decimal("0.25"), DOLLAR // 4),
            ("0", 0),
            ("1e-99999999", 0),
            ("0.00000008333333333333334", 83_333),
        ],
    )
    def test_read(self, written: object, expected: int) -> None:
        """Digits are read as they stand, with an exponent or not; what is finer than a pico-dollar is rounded."""
        assert pico_dollars(written) == expected

    @pytest.mark.parametrize(
        "written",
        ["", "free", "-1", -1, "nan", "inf", float("nan"), float("inf"), True, None, [], {}, "1e999999999"],
    )
    def test_no_amount(self, written: object) -> None:
        """Anything else is no amount, whatever a backend sends."""
        assert pico_dollars(written) is None

    @pytest.mark.parametrize("written", ["1" * 61, 10**400, "0x10", f"{10**6 + 1}"])
    def test_too_much(self, written: object) -> None:
        """No token and no answer costs more than a million dollars."""
        assert pico_dollars(written) is None

    @given(st.decimals(0, 10**6, places=6))
    def test_a_million(self, price: Decimal) -> None:
        """A price for a million tokens is what a million of single ones cost, exactly."""
        rate = per_token(str(price))
        assert rate is not None
        assert Fraction(rate * 10**6, DOLLAR) == Fraction(price)
        assert a_million(rate) == price

    @given(st.integers(0, 10**12), st.integers(1, 10**6))
    def test_no_drift(self, rate: int, tokens: int) -> None:
        """Many small requests cost exactly what one large one costs."""
        price = Price(input=rate, output=0)
        assert tokens * price.cost(Usage(input_tokens=1)) == price.cost(Usage(input_tokens=tokens))


class DollarsTests:
    """Amounts for people."""

    @pytest.mark.parametrize(
        ("cost", "expected"),
        [
            (0, "$0"),
            (4_200_000_000, "$0.0042"),
            (310_000_000, "$0.00031"),
            (123_456, "$0.00000012"),
            (1, "$0.000000000001"),
            (999_960_000_000, "$1.0000"),
            (DOLLAR, "$1.00"),
            (3_414_900_000_000, "$3.41"),
            (3_415_000_000_000, "$3.42"),
            (1_204 * DOLLAR + DOLLAR // 2, "$1,204.50"),
        ],
    )
    def test_shown(self, cost: int, expected: str) -> None:
        """Large amounts have cents, small ones as many digits as say something."""
        assert dollars(cost) == expected


class PartTests:
    """What is shown beside the whole."""

    @pytest.mark.parametrize(
        ("cost", "whole", "expected"),
        [
            (DOLLAR, DOLLAR * 8 // 10, "$1.0000"),
            (DOLLAR * 8 // 10, DOLLAR * 8 // 10, "$0.8000"),
            (DOLLAR // 2, 5 * DOLLAR, "$0.50"),
            (1_204_506_000_000_000, 5 * DOLLAR, "$1,204.51"),
            (4_200_000_000, 5 * DOLLAR, "<$0.01"),
            (82_000_000, DOLLAR // 2, "<$0.0001"),
            (0, 5 * DOLLAR, "$0"),
            (4_500_000, 2_000_000, "$0.0000045"),
        ],
    )
    def test_digits(self, cost: int, whole: int, expected: str) -> None:
        """A part has as many digits as the whole, and what they cannot show is not shown as zero."""
        assert dollars_beside(cost, whole) == expected


class PriceForPeopleTests:
    """What a model costs, as people read it."""

    @pytest.mark.parametrize(
        ("price", "expected"),
        [
            (Price(input=300_000, output=1_100_000), "$0.30/$1.10 per M"),
            (Price(input=2_000_000, output=62_500, cache_read=1), "$2.00/$0.0625 per M"),
            (Price(input=0, output=1), "$0/$0.000001 per M"),
            (Price(input=0, output=0), "free"),
            (Price(input=0, output=0, reasoning=5), "$0/$0 per M"),
        ],
    )
    def test_in_short(self, price: Price, expected: str) -> None:
        """Dollars for a million tokens of input and output; free is what costs nothing in every part."""
        assert in_short(price) == expected
