"""The line at the end of the process: what it has served since its start, in words."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.prices import dollars
from claude_bridge.services.accounting.store.counts import Counts

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_THOUSAND: Final = 1_000
_MILLION: Final = 1_000_000


def summary(counts: Counts, seconds: float) -> str:
    """Return sums over requests as a sentence; they were reached in ``seconds``."""
    requests = f"{counts.requests:,} request{'' if counts.requests == 1 else 's'}" if counts.requests else "no requests"
    failed = f" ({counts.failed:,} failed)" if counts.failed else ""
    told = f"served {requests}{failed} in {duration(seconds)}"
    if not counts.prompt and not counts.output:
        return told
    told += f", {short_count(counts.prompt)} tokens in, {short_count(counts.output)} out"
    cost = counts.known_cost
    if cost is None:
        return told
    unpriced = f" and {counts.unpriced:,} answer{'' if counts.unpriced == 1 else 's'} of unknown price"
    return f"{told}, {dollars(cost)}{unpriced if counts.unpriced else ''}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``2 h 10 min``."""
    whole = int(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole} s"


def short_count(number: int) -> str:
    """Return a number in few digits: ``730``, ``9.5k``, ``210k``, ``3.1M``."""
    if number < _THOUSAND:
        return str(number)
    if number < 10 * _THOUSAND:
        return f"{number // 100 / 10:g}k"
    if number < _MILLION:
        return f"{number // _THOUSAND}k"
    return f"{number // 100_000 / 10:g}M"
