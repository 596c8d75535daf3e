"""What an answer itself says that it costs: in the usage object of some backends (docs/prices.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.events import token_count
from claude_bridge.core.prices import pico_dollars

_PICO_DOLLARS_A_TICK: Final = 100
"""xAI counts ticks, ten thousand millions a dollar: a tick is a hundred pico-dollars."""


def reported_cost(raw: Mapping[str, object]) -> int | None:
    """Return the cost in a backend's usage object, in pico-dollars, or None if it has none.

    OpenRouter's ``cost`` is in credits, which are dollars; where the account brings a provider's key of its own
    (``is_byok``) it is only OpenRouter's fee, and ``cost_details.upstream_inference_cost`` comes to it, which other
    answers have too, equal to the cost. Perplexity's ``cost`` is an object with ``total_cost``; DeepInfra has
    ``estimated_cost``, xAI ``cost_in_usd_ticks``.

    A cost of 0 counts in OpenRouter's form alone, whose free models have it. Elsewhere it is what a proxy or a server
    fills in that knows no price, and unknown.
    """
    found = _reported(raw)
    return found if found or isinstance(raw.get("is_byok"), bool) else None


def _reported(raw: Mapping[str, object]) -> int | None:
    cost = raw.get("cost")
    if cost is None:
        return _under_another_name(raw)
    if isinstance(cost, Mapping):
        return pico_dollars(cost.get("total_cost"))
    charged = pico_dollars(cost)
    if charged is None or raw.get("is_byok") is not True:
        return charged
    details = raw.get("cost_details")
    upstream = pico_dollars(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if upstream is None else charged + upstream


def _under_another_name(raw: Mapping[str, object]) -> int | None:
    told = raw.get("cost_in_usd_ticks")
    if told is not None:
        ticks = token_count(told)
        return None if ticks is None else ticks * _PICO_DOLLARS_A_TICK
    estimated = raw.get("estimated_cost")
    return None if estimated is None else pico_dollars(estimated)
