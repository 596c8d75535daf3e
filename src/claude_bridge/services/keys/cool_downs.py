"""Rate limits that backends report: who was refused is not used for a while."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap

MAX_SECONDS: Final = 300.0
"""The longest that a ``Retry-After`` is believed: some services name the end of the day."""

FIRST_SECONDS: Final = 5.0
LAST_SECONDS: Final = 60.0
"""Where the backend names no time: the first wait, doubled with each further refusal up to the last."""

K = TypeVar("K")


@define(eq=False)
class CoolDown:
    """A wait after a refusal.

    :ivar until: when it ends (seconds, monotonic).
    :ivar refusals: how often in a row there was one.
    """

    until: float
    refusals: int


@define(eq=False)
class CoolDowns(Generic[K]):
    """Who has to wait, by any key. Past the bound the one that was refused longest ago is forgotten.

    Nothing is sent during a wait, so what was sent before its end was sent before its beginning: ten requests under way
    that are all refused are one refusal, and the answer to an eleventh does not end the wait.
    """

    _max_entries: int
    _entries: BoundedMap[K, CoolDown] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the bounded map."""
        self._entries = BoundedMap(self._max_entries)

    def __len__(self) -> int:
        return len(self._entries)

    def ready_in(self, key: K, now: float) -> float:
        """Return the seconds until ``key`` may be used; 0 for now."""
        found = self._entries.peek(key)
        return 0.0 if found is None else max(0.0, found.until - now)

    def refused(self, key: K, *, sent: float, now: float, retry_after: float | None) -> float | None:
        """Note a refusal of what was ``sent`` at that time; return the seconds of the wait that begins, if one does.

        ``retry_after``: the seconds that the backend named, None if it named none.
        """
        named = None if retry_after is None else min(max(retry_after, 0.0), MAX_SECONDS)
        known = self._entries.peek(key)
        if known is not None and sent < known.until:
            known.until = max(known.until, now + (named or 0.0))
            return None
        refusals = 1 if known is None else known.refusals + 1
        seconds = min(LAST_SECONDS, FIRST_SECONDS * 2.0 ** min(refusals - 1, 10)) if named is None else named
        self._entries.put(key, CoolDown(now + seconds, refusals))
        return seconds

    def succeeded(self, key: K, *, sent: float) -> None:
        """Note an answer to what was ``sent`` at that time: the next refusal is the first again."""
        known = self._entries.peek(key)
        if known is not None and sent >= known.until:
            self._entries.discard(key)
