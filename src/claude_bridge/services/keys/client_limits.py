"""The limits of clients' keys: requests and tokens in any minute, and requests at the same time (docs/keys.md).

What was used belongs to the process, so that a reload forgets nothing; the limits are those of the configuration under
which a request begins. A request that is refused uses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from attrs import define, field

from claude_bridge.config.schema import ClientKey
from claude_bridge.core.errors import KeyLimited
from claude_bridge.services.keys.minute import MinuteLimits, SlidingMinute

SHORTLY: Final = 2.0
"""Seconds after which to try again where nobody knows when a request under way ends."""


@define(eq=False)
class KeyUse:
    """What the clients of one key use.

    :ivar running: their requests under way.
    :ivar minute: what they have used in the last minute.
    """

    running: int = 0
    minute: MinuteLimits = field(factory=MinuteLimits)

    def follow(self, key: ClientKey) -> None:
        """Apply the limits of a key, which may be those of another configuration than before."""
        minute = self.minute
        minute.requests = _limited(minute.requests, key.rpm)
        minute.tokens = _limited(minute.tokens, key.tpm)


@define(eq=False)
class Allowance:
    """What one request takes of the limits of its key."""

    _key: ClientKey
    _use: KeyUse
    _seconds: Callable[[], float]
    _estimated: int = field(default=0, init=False)
    _began: bool = field(default=False, init=False)

    def begin(self, tokens: Callable[[], int]) -> None:
        """Count the request; ``tokens`` returns the estimate of its prompt. Raises `KeyLimited`."""
        key, now = self._key, self._seconds()
        self._use.follow(key)
        minute = self._use.minute
        if key.max_streams is not None and self._use.running >= key.max_streams:
            raise _refusal(key, f"{_requests(key.max_streams)} at the same time (max_streams)", SHORTLY)
        wait = minute.requests_ready_in(now)
        if key.rpm is not None and wait > 0:
            raise _refusal(key, f"{_requests(key.rpm)} a minute (rpm)", wait)
        estimated = 0 if key.tpm is None else tokens()
        wait = minute.tokens_ready_in(now, estimated)
        if wait > 0:
            raise _refusal(key, f"{key.tpm:,} tokens a minute (tpm)", max(wait, SHORTLY))
        minute.begun(now, estimated)
        self._use.running += 1
        self._estimated, self._began = estimated, True

    def end(self, tokens: int | None) -> None:
        """Note that the request has ended; ``tokens``: what it has really used, None if that is not known."""
        if self._began:
            self._began = False
            self._use.running -= 1
            self._use.minute.ended(self._seconds(), self._estimated, self._estimated if tokens is None else tokens)


@define(eq=False)
class ClientLimits:
    """Knows what the clients of each key use, for as long as the process lives."""

    _seconds: Callable[[], float]
    _uses: dict[str, KeyUse] = field(factory=dict, init=False)

    def allowance(self, key: ClientKey | None) -> Allowance | None:
        """Return what a request of this key's client will take; None for one without a key."""
        if key is None:
            return None
        use = self._uses.get(key.name)
        if use is None:
            use = self._uses[key.name] = KeyUse()
        return Allowance(key, use, self._seconds)


def _limited(minute: SlidingMinute | None, limit: int | None) -> SlidingMinute | None:
    """Return a minute with this limit, which has what was used before; None for no limit."""
    if limit is None:
        return None
    if minute is None:
        return SlidingMinute(limit)
    minute.limit = limit
    return minute


def _requests(number: int) -> str:
    return f"{number:,} request{'' if number == 1 else 's'}"


def _refusal(key: ClientKey, limit: str, wait: float) -> KeyLimited:
    told = f"the key {key.name} is limited to {limit}; try again in {math.ceil(wait)} s"
    return KeyLimited(told, retry_after=wait)
