"""How the values of ``[price:*]`` are written: amounts, and the prices of long prompts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from attrs import frozen

from claude_bridge.config.problems import not_allowed
from claude_bridge.core.prices import MAX_DOLLARS, PARTS, Tier, per_token

_AMOUNT: Final = re.compile(r"\d{1,9}(?:\.\d{1,20})?", re.ASCII)
_TOKENS: Final = re.compile(r"(\d{1,12})\s*([KM]?)", re.ASCII | re.IGNORECASE)
_THOUSANDS: Final = {"": 1, "K": 1000, "M": 1000**2}
_FINEST: Final = 6


@frozen
class PriceTier:
    """The prices of prompts of more than so many tokens.

    :ivar prices: the name of each part that has another price, and dollars per million tokens.
    """

    above: int
    prices: tuple[tuple[str, Decimal], ...]

    def __str__(self) -> str:
        """Return it as a file has it."""
        return " ".join([str(self.above), *(f"{part} {price:f}" for part, price in self.prices)])

    @property
    def tier(self) -> Tier:
        """Return it in pico-dollars a token."""
        return Tier(above=self.above, **{part: per_token(price) for part, price in self.prices})


def amount(text: str) -> Decimal:
    """Read dollars per million tokens."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError("must be dollars per million tokens, such as 0.30")
    value = Decimal(text)
    if value > MAX_DOLLARS:
        raise ValueError(f"must be at most {MAX_DOLLARS:,} dollars per million tokens")
    if value != round(value, _FINEST):
        raise ValueError(f"must not have more than {_FINEST} digits after the decimal point")
    return value


def tier(text: str) -> PriceTier:
    """Read ``TOKENS PART PRICE [PART PRICE ...]``."""
    match = _TOKENS.match(text)
    words = text[match.end() :].split() if match else []
    if match is None or not words or len(words) % 2:
        raise ValueError("must be a number of tokens and prices: 200K input 0.60 output 2.20")
    prices: dict[str, Decimal] = {}
    for part, price in zip(words[::2], words[1::2], strict=True):
        if part not in PARTS:
            raise ValueError(not_allowed(part, PARTS))
        if part in prices:
            raise ValueError(f"has two prices for {part}")
        try:
            prices[part] = amount(price)
        except ValueError as error:
            raise ValueError(f"{part} {error}") from None
    above = int(match[1]) * _THOUSANDS[match[2].upper()]
    if not above:
        raise ValueError("must not begin at 0 tokens: those are the section's own prices")
    return PriceTier(above, tuple(prices.items()))
