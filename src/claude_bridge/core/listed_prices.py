"""The price of a model in its backend's list of models, which each vendor writes otherwise (docs/prices.md).

``pricing`` or ``price``, an object; in it OpenRouter has ``prompt`` and ``completion`` in dollars a token as text,
Vercel ``input`` and ``output`` likewise, Chutes and Together dollars per million tokens as numbers, Chutes also an
object of currencies for each; DeepInfra has it all within ``metadata``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from claude_bridge.core.prices import Price, decimal, per_token, pico_dollars

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("prompt", "input", "input_tokens"),
    "output": ("completion", "output", "output_tokens"),
    "cache_read": ("input_cache_read", "cache_read", "cached_input", "cache_read_tokens"),
    "cache_write": ("input_cache_write", "cache_write", "cache_write_tokens"),
    "reasoning": ("internal_reasoning", "reasoning"),
}
_PLACES: Final = ("price", "pricing")  # Chutes has both; the first names its currency

_A_MILLION_FROM: Final = Decimal("0.001")
"""Where the unit is not said, a price from this on is meant for a million tokens, a smaller one for a single token:
nobody sells tokens at a thousand dollars a million, and nobody a million of them for less than a tenth of a cent."""

_NO_MONEY: Final = Decimal(0)
_A_MILLION: Final = "dollars per million tokens"

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,30}", re.ASCII)
_MAX_KEYS: Final = 8


@frozen
class ListedPrice:
    """What a list says of a model's price.

    :ivar price: None if it says nothing that is understood.
    :ivar found: where the price was and in which unit, or what was not understood; "" if there was nothing.
    """

    price: Price | None = None
    found: str = ""


NOT_LISTED: Final = ListedPrice()


def listed_price(entry: Mapping[object, object]) -> ListedPrice:
    """Return the price of a model from its entry in a list."""
    metadata = entry.get("metadata")
    found = NOT_LISTED
    for prefix, holder in (("", entry), ("metadata.", metadata)):
        if isinstance(holder, Mapping):
            for place in _PLACES:
                value = holder.get(place)
                if isinstance(value, Mapping) and value:
                    found = _read(prefix + place, value)
                    if found.price is not None:
                        return found
    return found


def _read(place: str, value: Mapping[object, object]) -> ListedPrice:
    given = {part: _first(value, names) for part, names in _NAMES.items()}
    amounts = {part: amount for part, (_, amount) in given.items() if amount is not None}
    convert, told = _unit(value, amounts)
    rates = {part: rate for part, amount in amounts.items() if (rate := convert(amount)) is not None}
    if "input" not in rates or "output" not in rates or _costs_more(value) or _is_no_price(value, rates):
        keys = [key for key in value if isinstance(key, str) and _PLAIN_KEY.fullmatch(key)][:_MAX_KEYS]
        return ListedPrice(found=f"{place} with {', '.join(keys) or 'no plain keys'} is not understood")
    price = Price(
        input=rates["input"],
        output=rates["output"],
        # a zero here says that there is no price apart: such tokens are billed as the others
        cache_read=rates.get("cache_read") or None,
        cache_write=rates.get("cache_write") or None,
        reasoning=rates.get("reasoning") or None,
    )
    name, _ = given["input"]
    return ListedPrice(price, f"{place}.{name} in {told}")


def _first(value: Mapping[object, object], names: tuple[str, ...]) -> tuple[str, Decimal | None]:
    """Return the first of some keys that has a price, with its price."""
    for name in names:
        held = value.get(name)
        amount = held.get("usd") if isinstance(held, Mapping) else held
        if (read := decimal(amount)) is not None:
            return f"{name}.usd" if isinstance(held, Mapping) else name, read
    return "", None


def _unit(value: Mapping[object, object], amounts: Mapping[str, Decimal]) -> tuple[Callable[[object], int | None], str]:
    """Return what converts the amounts, and their unit in words; nothing is converted that is not in dollars."""
    currency, unit = value.get("currency"), value.get("unit")
    if isinstance(currency, str) and currency.upper() not in {"USD", "US$", "$"}:
        return _unknown, ""
    if isinstance(unit, str):
        a_million = "million" in unit.lower() or "mtok" in unit.lower()
        return (per_token, _A_MILLION) if a_million else (_unknown, "")
    largest = max(amounts.values(), default=_NO_MONEY)
    return (per_token, _A_MILLION) if largest >= _A_MILLION_FROM else (pico_dollars, "dollars a token")


def _unknown(_amount: object) -> int | None:
    return None


def _costs_more(value: Mapping[object, object]) -> bool:
    """Return whether a request costs something besides its tokens."""
    return bool(decimal(value.get("request")))


def _is_no_price(value: Mapping[object, object], rates: Mapping[str, int]) -> bool:
    """Return whether zeros mean that the price is not known: only OpenRouter's, which are text, say that it is free."""
    return not any(rates.values()) and not isinstance(value.get("prompt"), str)
