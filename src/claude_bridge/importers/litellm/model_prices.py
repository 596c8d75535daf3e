"""Costs per token of LiteLLM -> prices per million tokens."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from claude_bridge.core.prices import MAX_DOLLARS
from claude_bridge.importers.draft import ImportedPrice
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.table import Table, decimal

_PARTS: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
}
_ABOVE: Final = re.compile(r"(?P<part>[a-z_]+?)_above_(?P<thousands>\d{1,6})k_tokens")
_FINEST: Final = Decimal("0.000001")
_ORDER: Final = ("input", "cache_read", "cache_write", "output", "reasoning")


def read_price(parameters: Table, info: Table, notes: Notes) -> ImportedPrice | None:
    """Return what the tokens of an entry cost, None if it does not say; what its parameters say comes first."""
    plain: dict[str, Decimal] = {}
    above: dict[int, dict[str, Decimal]] = {}
    for table in (info, parameters):
        for key in table.entries:
            match = _ABOVE.fullmatch(key)
            part = _PARTS.get(key if match is None else match["part"])
            amount = None if part is None else _per_million(table, key)
            if part is None or amount is None:
                continue
            table.ignore(key)
            if match is None:
                plain[part] = amount
            else:
                above.setdefault(int(match["thousands"]), {})[part] = amount
    if not plain and not above:
        return None
    if not {"input", "output"} <= plain.keys():
        where = parameters if any(each in parameters.entries for each in _PARTS) else info
        notes.lose(f"{where.path}.*_cost_per_token", "a price needs both an input and an output here")
        return None
    return ImportedPrice(
        input=plain["input"],
        output=plain["output"],
        cache_read=plain.get("cache_read"),
        cache_write=plain.get("cache_write"),
        reasoning=plain.get("reasoning"),
        above=tuple(_tier(thousands, above[thousands]) for thousands in sorted(above) if thousands),
    )


def _per_million(table: Table, key: str) -> Decimal | None:
    amount = decimal(table.entries[key])
    if amount is None:
        return None
    dollars = (amount * 1_000_000).quantize(_FINEST, ROUND_HALF_EVEN)
    return dollars if 0 <= dollars <= MAX_DOLLARS else None


def _tier(thousands: int, prices: dict[str, Decimal]) -> str:
    words = [f"{part} {prices[part].normalize():f}" for part in _ORDER if part in prices]
    return f"{thousands}K {' '.join(words)}"
