"""What tokens cost: whole pico-dollars a token, so that sums are exact and no order of adding matters.

A pico-dollar a token is a millionth of a dollar for a million tokens, which is finer than any price.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Final

from attrs import field, fields_dict, frozen

from claude_bridge.core.events import Usage

DOLLAR: Final = 10**12
"""Pico-dollars."""

MAX_DOLLARS: Final = 10**6
"""Dollars for one token or one answer; larger numbers are no amounts of money."""

_PICO: Final = 12
_MILLION: Final = 6
_MAX_CHARACTERS: Final = 60
_CENTS: Final = Decimal("0.01")


@frozen(kw_only=True)
class Rates:
    """What one token of each part of a request and its answer costs, in pico-dollars."""

    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int

    def cost(self, usage: Usage) -> int:
        """Return what all tokens cost, each counted once: reasoning is a part of the output."""
        reasoning = min(usage.thinking_tokens or 0, usage.output_tokens)
        return (
            usage.input_tokens * self.input
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_tokens * self.cache_write
            + (usage.output_tokens - reasoning) * self.output
            + reasoning * self.reasoning
        )


@frozen(kw_only=True)
class Tier:
    """Other prices for all tokens of a request whose prompt is long.

    :ivar above: they hold for prompts of more tokens than this, cached ones among them.
    :ivar input: pico-dollars a token; None, here and in the others: as below the tier.
    """

    above: int
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


PARTS: Final = tuple(name for name in fields_dict(Tier) if name != "above")
"""The names of what has a price of its own."""


@frozen(kw_only=True)
class Price:
    """What a model's tokens cost, in pico-dollars a token.

    :ivar cache_read: None, here and in the next: as ``input``.
    :ivar reasoning: None: as ``output``.
    :ivar tiers: the prices of long prompts, in any order.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    tiers: tuple[Tier, ...] = ()
    _base: Rates = field(init=False, eq=False, repr=False)
    _higher: tuple[tuple[int, Rates], ...] = field(init=False, eq=False, repr=False)

    @_base.default
    def _make_base(self) -> Rates:
        return _rates({name: getattr(self, name) for name in PARTS})

    @_higher.default
    def _make_higher(self) -> tuple[tuple[int, Rates], ...]:
        said = {name: getattr(self, name) for name in PARTS}
        found = []
        for tier in sorted(self.tiers, key=lambda each: each.above):
            said |= {name: own for name in PARTS if (own := getattr(tier, name)) is not None}
            found.append((tier.above, _rates(said)))
        return tuple(reversed(found))

    def rates(self, prompt_tokens: int) -> Rates:
        """Return the prices for a request whose prompt has so many tokens, cached ones among them."""
        for above, rates in self._higher:
            if prompt_tokens > above:
                return rates
        return self._base

    def cost(self, usage: Usage) -> int:
        """Return what an answer and its prompt cost, in pico-dollars."""
        return self.rates(usage.prompt_tokens).cost(usage)


def in_short(price: Price) -> str:
    """Return what input and output of a short prompt cost, for people: ``$0.30/$1.10 per M``, or ``free``."""
    rates = price.rates(0)
    if not any(getattr(rates, part) for part in PARTS):
        return "free"
    return f"${shown_a_million(rates.input)}/${shown_a_million(rates.output)} per M"


def _rates(said: dict[str, int | None]) -> Rates:
    """Return the price of each part; those that nobody said follow from the others."""
    given, answered = said["input"] or 0, said["output"] or 0
    read, written, reasoned = said["cache_read"], said["cache_write"], said["reasoning"]
    return Rates(
        input=given,
        cache_read=given if read is None else read,
        cache_write=given if written is None else written,
        output=answered,
        reasoning=answered if reasoned is None else reasoned,
    )


def pico_dollars(amount: object) -> int | None:
    """Return an amount of dollars, a number or its digits, in pico-dollars; None if it cannot be one."""
    return _scaled(amount, _PICO)


def per_token(dollars_a_million: object) -> int | None:
    """Return a price in dollars per million tokens in pico-dollars a token; None if it cannot be one."""
    return _scaled(dollars_a_million, _PICO - _MILLION)


def a_million(rate: int) -> Decimal:
    """Return a price in pico-dollars a token in dollars per million tokens."""
    return Decimal(rate).scaleb(_MILLION - _PICO)


def shown_a_million(rate: int) -> str:
    """Return a price in pico-dollars a token for a million tokens, as people write it: ``0.30``, ``0.0625``."""
    price = a_million(rate).normalize()
    return f"{price if price == 0 or price != round(price, 2) else price.quantize(_CENTS):f}"


def decimal(amount: object) -> Decimal | None:
    """Return a number or its digits exactly as written, a float by its shortest digits; None for what is no amount."""
    if isinstance(amount, bool) or not isinstance(amount, int | float | str | Decimal):
        return None
    text = amount.strip() if isinstance(amount, str) else repr(amount) if isinstance(amount, float) else amount
    if isinstance(text, str) and not 0 < len(text) <= _MAX_CHARACTERS:
        return None
    try:
        value = Decimal(text)
    except (DecimalException, ValueError):
        return None
    if not value.is_finite() or value < 0 or value > MAX_DOLLARS:
        return None
    return value


def _scaled(amount: object, digits: int) -> int | None:
    value = decimal(amount)
    if value is None:
        return None
    if value.adjusted() < -digits - 1:
        return 0
    return int(value.scaleb(digits).to_integral_value())


def in_dollars(cost: int | None) -> float | None:
    """Return an amount of pico-dollars in dollars, for programs; None for what is unknown."""
    return None if cost is None else cost / DOLLAR


_SMALL: Final = DOLLAR // 1000
_CENT: Final = 2
"""Digits of a dollar down to the cent."""

_CENT_DIGITS: Final = 10
"""Digits of pico-dollars behind a cent."""


def dollars(cost: int) -> str:
    """Return an amount of pico-dollars for people: ``$3.41``, ``$0.0042``, ``$0.00031``."""
    if cost >= DOLLAR:
        cents = (cost + 5 * 10 ** (_CENT_DIGITS - 1)) // 10**_CENT_DIGITS
        return f"${cents // 100:,}.{cents % 100:02d}"
    if cost >= _SMALL:
        return f"${cost / DOLLAR:.4f}"
    if not cost:
        return "$0"
    two_digits = Decimal(f"{Decimal(cost).scaleb(-_PICO):.1e}").normalize()
    return f"${two_digits:f}"


def dollars_beside(cost: int, whole: int) -> str:
    """Return an amount with the digits that another has, of which it is a part: ``$1.0000`` beside ``$0.8000``.

    What is less than the last digit can show is ``<$0.01``; beside less than a tenth of a cent it is as `dollars` says.
    """
    digits = _CENT if whole >= DOLLAR else _CENT + 2 if whole >= _SMALL else 0
    if not cost or not digits:
        return dollars(cost)
    finest: int = 10 ** (_PICO - digits)
    if cost < finest:
        return f"<${Decimal(1).scaleb(-digits):f}"
    number = (cost + finest // 2) // finest
    return f"${number // 10**digits:,}.{number % 10**digits:0{digits}d}"
