"""Tests for `claude_bridge.config.price_values`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from claude_bridge.config.price_values import PriceTier, amount, tier
from claude_bridge.core.prices import Tier


class AmountTests:
    """Dollars per million tokens."""

    @pytest.mark.parametrize(("text", "value"), [("0.30", "0.3"), ("0", "0"), ("15", "15"), ("0.000001", "0.000001")])
    def test_read(self, text: str, value: str) -> None:
        """Plain decimals."""
        assert amount(text) == Decimal(value)

    @pytest.mark.parametrize("text", ["", "-1", "$0.30", "0,30", "1e-6", "0.30 USD", "nan", ".5", "٣"])
    def test_no_amount(self, text: str) -> None:
        """Anything else is refused with an example."""
        with pytest.raises(ValueError, match=r"such as 0\.30"):
            amount(text)

    def test_too_fine(self) -> None:
        """So is what could not be counted exactly."""
        with pytest.raises(ValueError, match="more than 6 digits"):
            amount("0.0000001")
        assert amount("0.1000000") == Decimal("0.1")

    def test_too_much(self) -> None:
        """And what is no price of anything."""
        with pytest.raises(ValueError, match="at most 1,000,000 dollars"):
            amount("1000001")


class TierTests:
    """Prices of long prompts."""

    def test_read(self) -> None:
        """A number of tokens, then parts with their prices, as the documentation shows it."""
        read = tier("200K input 0.60 output 2.20")
        assert read == PriceTier(200_000, (("input", Decimal("0.60")), ("output", Decimal("2.20"))))
        assert read.tier == Tier(above=200_000, input=600_000, output=2_200_000)

    @pytest.mark.parametrize("text", ["200000 input 0.60", "1 cache_read 0 cache_write 1.25 reasoning 3"])
    def test_written(self, text: str) -> None:
        """It is written as it is read."""
        assert str(tier(text)) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "must be a number of tokens and prices"),
            ("200K", "must be a number of tokens and prices"),
            ("200K input", "must be a number of tokens and prices"),
            ("input 0.60", "must be a number of tokens and prices"),
            ("200K inputs 0.60", "did you mean input"),
            ("200K input x", "input must be dollars"),
            ("200K input 1 input 2", "two prices for input"),
            ("0 input 1", "must not begin at 0 tokens"),
        ],
    )
    def test_wrong(self, text: str, message: str) -> None:
        """What is wrong is said, with the part."""
        with pytest.raises(ValueError, match=message):
            tier(text)
