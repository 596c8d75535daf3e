"""A budget of memory: request bodies count from their first byte until their exchange ends, in whatever form.

Where the budget is short only bodies that are still being received pay, the largest and oldest first. An exchange
under way is never ended for it; where exchanges alone fill the budget, newcomers are told to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from attrs import define, field

from claude_bridge.config.schema import Limits
from claude_bridge.core.errors import BridgeError, BridgeOverloaded, RequestTooSlow
from claude_bridge.services.interfaces import Sweep

FORMS: Final = 4
"""What an exchange holds of its request, in sizes of the body: the body, into which tools and their calls point, the
decoded texts, what the backend has not taken yet of the translated request, and that request as a whole while it may
have to be sent again, because the connection was an old one. Measured with bodies of 30 MiB on new connections: 1.0 to
2.0 with a backend that reads, 2.0 to 3.0 with one that does not. It counts from the first byte, so that a body that
was received may always become an exchange."""

AT_EASE: Final = 4
"""Below this part of the bound nobody is weighed: what is held is at most so many times what was counted."""

WEIGHED: Final = 2
"""Exchanges that are weighed at once: one of as many blocks as are allowed takes 30 ms."""

GRACE: Final = 30.0
"""Seconds over which the rate of a body is averaged: a network may be gone for as long without anybody's fault."""

SOON: Final = 1.0
LATER: Final = 5.0
"""Seconds after which to come again: an upload is over in one, an exchange takes longer."""


class Uploader(Protocol):
    """Who sends a body."""

    def turn_away(self, error: BridgeError) -> None:
        """Answer with ``error`` instead of taking more; nothing of the body is kept."""


@define(eq=False)
class Share:
    """What one request holds of the budget.

    :ivar held: bytes, in all forms.
    :ivar arrived: bytes of the body as it was sent, refused or not.
    :ivar whole: nothing more is to come.
    :ivar beyond: tells what it holds that was not counted; None where nobody needs to look (any more).
    :ivar aside: what was counted beyond the size of the body.
    :ivar receiving: it is not an exchange yet, and may have to pay.
    """

    _budget: Budget
    _owner: Uploader
    _since: float
    held: int = field(default=0, init=False)
    arrived: int = field(default=0, init=False)
    whole: bool = field(default=False, init=False)
    receiving: bool = field(default=True, init=False)
    beyond: Callable[[], int | None] | None = field(default=None, init=False)
    aside: int = field(default=0, init=False)
    _looked: float = field(init=False)
    _seen: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin the first stretch."""
        self._looked = self._since

    def set_aside(self, beyond: int) -> None:
        """Hold so much beyond what was counted, until it is known better; raise `BridgeOverloaded`."""
        self.aside = beyond
        self.hold(self.held + beyond)

    def weigh_by(self, beyond: Callable[[], int | None]) -> None:
        """Know how to find what the exchange holds beyond what was counted; None is an answer for later."""
        self.beyond = beyond
        self._budget.unweighed[self] = None

    def came(self, size: int) -> None:
        """Note bytes of the body. One that does not come in one piece may be a slow one."""
        if self.arrived:
            self._budget.watch()
        self.arrived += size

    def hold(self, held: int) -> None:
        """Hold so much from now on; raise `BridgeOverloaded` where this request is the one to pay."""
        more, self.held = held - self.held, held
        self._budget.taken(self, more)

    def release(self) -> None:
        """Hold nothing; a body that is refused may go on coming."""
        more, self.held = -self.held, 0
        self._budget.taken(self, more)

    def received(self) -> None:
        """Become an exchange: the body is there and will not pay for others any more."""
        self._budget.received(self)

    def close(self) -> None:
        """Hold nothing, and expect nothing more."""
        self.release()
        self.beyond = None
        self._budget.unweighed.pop(self, None)
        if self.receiving:
            self._budget.received(self)

    def pay(self, error: BridgeError) -> None:
        """Make room."""
        self.release()
        self._owner.turn_away(error)

    def burden(self, now: float) -> float:
        """Weigh the share as a cost to others: how much, for how long."""
        return self.held * (1.0 + now - self._since)

    def is_late(self, now: float, rate: int) -> bool:
        """Look whether less than ``rate`` bytes a second came since the last look that was `GRACE` seconds ago."""
        seconds = now - self._looked
        if self.whole or seconds < GRACE:
            return False
        slow = self.arrived - self._seen < rate * seconds
        self._looked, self._seen = now, self.arrived
        return slow


@define(eq=False)
class Budget:
    """All shares of one daemon. A `claude_bridge.services.interfaces.Watch` while bodies are being received.

    :ivar held: bytes, of all shares.
    :ivar answering: bytes, of exchanges.
    :ivar unweighed: exchanges of which only the size of the body is known.
    """

    _limits: Callable[[], Limits]
    held: int = field(default=0, init=False)
    answering: int = field(default=0, init=False)
    unweighed: dict[Share, None] = field(factory=dict, init=False)
    _receiving: dict[Share, None] = field(factory=dict, init=False)
    _sweep: Sweep | None = field(default=None, init=False)
    _watching: bool = field(default=False, init=False)

    @property
    def bound(self) -> int:
        """The most that may be held: a single body of the largest size is always welcome."""
        limits = self._limits()
        return max(limits.max_in_progress, FORMS * limits.max_body)

    def open(self, owner: Uploader, length: int | None, sweep: Sweep) -> Share:
        """Make the share of a body of which nothing has come yet.

        Raises `BridgeOverloaded` where exchanges alone leave no room for ``length`` bytes.
        """
        if self.answering and self.answering + FORMS * (length or 0) > self.bound:
            raise _full()
        self._sweep = sweep
        share = Share(self, owner, sweep.seconds())
        self._receiving[share] = None
        return share

    def watch(self) -> None:
        """Look at the rates of bodies from now on."""
        if not self._watching and self._sweep is not None:
            self._watching = True
            self._sweep.add(self)

    def taken(self, share: Share, more: int) -> None:
        """Book what a share holds more, and have somebody pay where that is too much."""
        self.held += more
        if not share.receiving:
            self.answering += more
        if more > 0 and self.held * AT_EASE > self.bound:
            self._weigh()
            if self.held > self.bound:
                self._make_room(share)

    def received(self, share: Share) -> None:
        """Take note that no more of a body is to come."""
        share.receiving = False
        self.answering += share.held
        del self._receiving[share]
        if self._watching and not self._receiving and self._sweep is not None:
            self._watching = False
            self._sweep.discard(self)

    def check(self, now: float) -> None:
        """Turn away who sends too slowly: he holds memory and a connection for nothing."""
        rate = self._limits().min_body_rate
        for share in [share for share in self._receiving if share.is_late(now, rate)]:
            share.pay(RequestTooSlow(f"the request's body came at less than {rate} bytes a second"))

    def _weigh(self) -> None:
        """Look at what some exchanges really hold."""
        for share in list(islice(self.unweighed, WEIGHED)):
            more = share.beyond() if share.beyond is not None else 0
            del self.unweighed[share]
            if more is None:
                self.unweighed[share] = None  # at the end
                continue
            more -= share.aside
            share.beyond = None
            share.held += more
            self.held += more
            self.answering += more

    def _make_room(self, share: Share) -> None:
        now = self._sweep.seconds() if self._sweep is not None else 0.0
        while self.held > self.bound and self.held > share.held:
            payer = max(self._receiving, key=lambda each: each.burden(now), default=share)
            if payer is share or not payer.held:
                raise _crowded() if share.receiving and self.answering + share.held <= self.bound else _full()
            payer.pay(_crowded())


def _crowded() -> BridgeOverloaded:
    return BridgeOverloaded("too many requests are being received; try again shortly", retry_after=SOON)


def _full() -> BridgeOverloaded:
    return BridgeOverloaded(
        "the requests being answered hold all the memory that is set aside for them (`max_in_progress` in [limits]); "
        "try again shortly",
        retry_after=LATER,
    )
