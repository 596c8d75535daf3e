"""A memory budget for requests: a body counts from its first byte until its exchange ends, in whatever form.

When the budget is short only bodies that are still being received make room, the largest and oldest first. A running
exchange is never ended for it; when exchanges alone fill the budget, new requests are told to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from attrs import define, field

from claude_bridge.config.schema import Limits
from claude_bridge.core.errors import BridgeError, BridgeOverloaded, RequestTooSlow
from claude_bridge.services.interfaces import Sweep

COPIES_OF_BODY: Final = 4
"""What an exchange holds of its request, in sizes of the body: the body, into which tools and their calls point, the
decoded texts, what the backend has not taken yet of the translated request, and that request as a whole while it may
have to be sent again, because the connection was an old one. Measured with bodies of 30 MiB on new connections: 1.0 to
2.0 with a backend that reads, 2.0 to 3.0 with one that does not. It counts from the first byte, so that a body that
was received may always become an exchange."""

RELAXED_FRACTION: Final = 4
"""While less than this fraction of the bound (a quarter) is counted, no exchange is measured: what is really held is
at most a few times what was counted."""

MAX_MEASURED: Final = 2
"""Exchanges that are measured at once: one with as many blocks as are allowed takes 30 ms."""

RATE_SECONDS: Final = 30.0
"""Seconds over which the rate of a body is averaged: a network may be down that long without anybody's fault."""

RETRY_SOON_SECONDS: Final = 1.0
RETRY_LATER_SECONDS: Final = 5.0
"""Seconds after which to come again: an upload ends within one, an exchange takes longer."""


class Uploader(Protocol):
    """The sender of a body."""

    def turn_away(self, error: BridgeError) -> None:
        """Answer with ``error`` instead of receiving more; nothing of the body is kept."""


@define(eq=False)
class Share:
    """What one request holds of the budget.

    :ivar held: bytes, in all forms.
    :ivar arrived: bytes of the body as it was sent, refused or not.
    :ivar complete: the whole body has arrived.
    :ivar measure_extra: returns the bytes that the exchange holds beyond what was counted, or None while that is not
        known; it is None itself where there is nothing (more) to measure.
    :ivar reserved: bytes that were counted beyond the size of the body before they could be measured.
    :ivar receiving: the body is still being received, so this share may have to make room.
    """

    _budget: MemoryBudget
    _owner: Uploader
    _since: float
    held: int = field(default=0, init=False)
    arrived: int = field(default=0, init=False)
    complete: bool = field(default=False, init=False)
    receiving: bool = field(default=True, init=False)
    measure_extra: Callable[[], int | None] | None = field(default=None, init=False)
    reserved: int = field(default=0, init=False)
    _last_check: float = field(init=False)
    _arrived_at_last_check: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin the first interval over which the rate is averaged."""
        self._last_check = self._since

    def reserve(self, extra: int) -> None:
        """Hold ``extra`` bytes beyond what was counted until they can be measured; raise `BridgeOverloaded`."""
        self.reserved = extra
        self.hold(self.held + extra)

    def measure_with(self, measure_extra: Callable[[], int | None]) -> None:
        """Set what measures what the exchange holds beyond what was counted; None means to ask again later."""
        self.measure_extra = measure_extra
        self._budget.unmeasured[self] = None

    def add_arrived(self, size: int) -> None:
        """Count ``size`` bytes of the body. One that comes in several pieces may be a slow one, and is watched."""
        if self.arrived:
            self._budget.watch()
        self.arrived += size

    def hold(self, held: int) -> None:
        """Hold ``held`` bytes from now on; raise `BridgeOverloaded` if this request is the one that must make room."""
        added, self.held = held - self.held, held
        self._budget.add(self, added)

    def release(self) -> None:
        """Hold nothing; the rest of a refused body may still arrive."""
        added, self.held = -self.held, 0
        self._budget.add(self, added)

    def received(self) -> None:
        """Become an exchange: the body has arrived, and will not make room for others any more."""
        self._budget.received(self)

    def close(self) -> None:
        """Hold nothing, and expect nothing more."""
        self.release()
        self.measure_extra = None
        self._budget.unmeasured.pop(self, None)
        if self.receiving:
            self._budget.received(self)

    def evict(self, error: BridgeError) -> None:
        """Make room: hold nothing, and answer the sender with ``error``."""
        self.release()
        self._owner.turn_away(error)

    def cost(self, now: float) -> float:
        """Return how much the share costs others: bytes times seconds."""
        return self.held * (1.0 + now - self._since)

    def is_too_slow(self, now: float, rate: int) -> bool:
        """Return whether fewer than ``rate`` bytes a second arrived since the last check `RATE_SECONDS` or more ago."""
        seconds = now - self._last_check
        if self.complete or seconds < RATE_SECONDS:
            return False
        slow = self.arrived - self._arrived_at_last_check < rate * seconds
        self._last_check, self._arrived_at_last_check = now, self.arrived
        return slow


@define(eq=False)
class MemoryBudget:
    """All shares of one daemon. A `claude_bridge.services.interfaces.Watch` while bodies are being received.

    :ivar held: bytes, of all shares.
    :ivar answering: bytes, of exchanges.
    :ivar unmeasured: exchanges of which only the size of the body is known.
    """

    _limits: Callable[[], Limits]
    held: int = field(default=0, init=False)
    answering: int = field(default=0, init=False)
    unmeasured: dict[Share, None] = field(factory=dict, init=False)
    _receiving: dict[Share, None] = field(factory=dict, init=False)
    _sweep: Sweep | None = field(default=None, init=False)
    _watching: bool = field(default=False, init=False)

    @property
    def bound(self) -> int:
        """The most that may be held. There is always room for a single body of the largest size."""
        limits = self._limits()
        return max(limits.max_in_progress, COPIES_OF_BODY * limits.max_body)

    def open(self, owner: Uploader, length: int | None, sweep: Sweep) -> Share:
        """Return the share of a body of which nothing has arrived yet.

        Raises `BridgeOverloaded` if exchanges alone leave no room for ``length`` bytes.
        """
        if self.answering and self.answering + COPIES_OF_BODY * (length or 0) > self.bound:
            raise _full()
        self._sweep = sweep
        share = Share(self, owner, sweep.seconds())
        self._receiving[share] = None
        return share

    def watch(self) -> None:
        """Check the rates of bodies from now on."""
        if not self._watching and self._sweep is not None:
            self._watching = True
            self._sweep.add(self)

    def add(self, share: Share, added: int) -> None:
        """Count ``added`` bytes for ``share``, and make room if that is too much."""
        self.held += added
        if not share.receiving:
            self.answering += added
        if added > 0 and self.held * RELAXED_FRACTION > self.bound:
            self._measure()
            if self.held > self.bound:
                self._make_room(share)

    def received(self, share: Share) -> None:
        """Count ``share`` as an exchange: nothing more of its body is to come."""
        share.receiving = False
        self.answering += share.held
        del self._receiving[share]
        if self._watching and not self._receiving and self._sweep is not None:
            self._watching = False
            self._sweep.discard(self)

    def check(self, now: float) -> None:
        """Turn away clients that send too slowly: they hold memory and a connection for nothing."""
        rate = self._limits().min_body_rate
        for share in [share for share in self._receiving if share.is_too_slow(now, rate)]:
            share.evict(RequestTooSlow(f"the request's body came at less than {rate} bytes a second"))

    def _measure(self) -> None:
        """Measure what some exchanges really hold."""
        for share in list(islice(self.unmeasured, MAX_MEASURED)):
            extra = share.measure_extra() if share.measure_extra is not None else 0
            del self.unmeasured[share]
            if extra is None:
                self.unmeasured[share] = None  # not known yet: again after all the others
                continue
            added = extra - share.reserved
            share.measure_extra = None
            share.held += added
            self.held += added
            self.answering += added

    def _make_room(self, share: Share) -> None:
        """End uploads, the costliest first, until all fits; raise `BridgeOverloaded` if ``share`` itself has to go."""
        now = self._sweep.seconds() if self._sweep is not None else 0.0
        while self.held > self.bound and self.held > share.held:
            costliest = max(self._receiving, key=lambda each: each.cost(now), default=share)
            if costliest is share or not costliest.held:
                raise _crowded() if share.receiving and self.answering + share.held <= self.bound else _full()
            costliest.evict(_crowded())


def _crowded() -> BridgeOverloaded:
    return BridgeOverloaded("too many requests are being received; try again shortly", retry_after=RETRY_SOON_SECONDS)


def _full() -> BridgeOverloaded:
    return BridgeOverloaded(
        "the requests being answered use all the memory reserved for them (`max_in_progress` in [limits]); "
        "try again shortly",
        retry_after=RETRY_LATER_SECONDS,
    )
