"""What the process has served since its start, added up for the line at its end."""

from __future__ import annotations

from typing import Final

from attrs import define

from claude_bridge.core.prices import dollars
from claude_bridge.services.interfaces import AttemptRecord, Records, RequestRecord

_NO_FAILURE: Final = frozenset({"ok", "client_left"})
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_THOUSAND: Final = 1_000
_MILLION: Final = 1_000_000


@define
class Totals:
    """Implements `Records`: counts requests and tokens, and passes the records on.

    :ivar requests: requests for an answer of a model; what the bridge answers by itself is not among them.
    :ivar failed: those of them that ended with an error.
    :ivar tokens_in: tokens of all prompts that were read, also for attempts that failed.
    :ivar tokens_out: tokens of all answers.
    :ivar cost: what the attempts cost whose price was known, in pico-dollars; None if there was none.
    :ivar unpriced: attempts with tokens whose price was unknown.
    """

    _next: Records
    requests: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int | None = None
    unpriced: int = 0

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Count the tokens of an attempt."""
        usage = record.usage
        if usage is not None:
            self.tokens_in += usage.prompt_tokens
            self.tokens_out += usage.output_tokens
            self.unpriced += record.cost is None
        if record.cost is not None:
            self.cost = (self.cost or 0) + record.cost
        self._next.attempt_ended(request_id, record)

    def request_ended(self, record: RequestRecord) -> None:
        """Count a request."""
        if record.model:
            self.requests += 1
            self.failed += record.outcome not in _NO_FAILURE
        self._next.request_ended(record)

    def summary(self, seconds: float) -> str:
        """Return the totals as a sentence; they were reached in ``seconds``."""
        requests = f"{self.requests:,} request{'' if self.requests == 1 else 's'}" if self.requests else "no requests"
        failed = f" ({self.failed:,} failed)" if self.failed else ""
        told = f"served {requests}{failed} in {duration(seconds)}"
        if not self.tokens_in and not self.tokens_out:
            return told
        told += f", {short_count(self.tokens_in)} tokens in, {short_count(self.tokens_out)} out"
        if self.cost is None:
            return told
        unpriced = f" and {self.unpriced:,} answer{'' if self.unpriced == 1 else 's'} of unknown price"
        return f"{told}, {dollars(self.cost)}{unpriced if self.unpriced else ''}"


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
