"""What several attempts cost together."""

from __future__ import annotations

from collections.abc import Iterable

from claude_bridge.services.interfaces import AttemptRecord


def request_cost(attempts: Iterable[AttemptRecord]) -> int | None:
    """Return what the attempts of a request cost, in pico-dollars; None if that of one with tokens is unknown.

    An attempt without tokens, which failed before the model began, does not count.
    """
    total: int | None = None
    for each in attempts:
        if each.cost is not None:
            total = each.cost if total is None else total + each.cost
        elif each.usage is not None:
            return None
    return total
