"""The slots of backends: how many streams one may have at a time, and whose request is next when one of them ends.

A request that finds no free slot waits. Those that wait are grouped by owner: owners take turns, and the requests of
one owner keep their order, so that a client with twenty of them does not delay another by all twenty. In a full queue
the owner with the most requests gives way to one with fewer.

Slots are counted by the name of the backend, whatever its configuration was when a stream began.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import BackendBusy
from claude_bridge.services.callbacks import stop_timer

QUEUE_FACTOR: Final = 4
"""``max_queue`` where it is not set: so many times ``max_streams``. Who is last then waits for four answers."""

FIRST_GUESS: Final = 10.0
"""Seconds that a slot is believed to be held before the first one was released."""

WEIGHT: Final = 0.2
"""Weight of the newest slot in the mean time that slots are held: about the last ten of them count."""

SHORTEST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0
"""Bounds of ``retry_after``, in seconds."""


@define(eq=False)
class Slot:
    """The right to have one stream at a backend, until it is released.

    :ivar since: when it was given (seconds, monotonic).
    """

    _pool: SlotPool | None
    since: float

    def release(self) -> None:
        """Give it back. Later calls do nothing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.released(self.since)


UNLIMITED: Final = Slot(None, 0.0)
"""The slot of every request to a backend without ``max_streams``."""


@define(eq=False)
class Waiter:
    """A request that waits for a slot.

    :ivar slot: fires with it.
    :ivar timer: ends the wait.
    """

    owner: str
    slot: Deferred[Slot]
    timer: IDelayedCall | None = None


Waiters = OrderedDict[Waiter, None]
"""The requests of one owner, in the order in which they came; any of them can be removed at once."""


@define(eq=False)
class SlotPool:
    """The slots of one backend, and the queue for them.

    :ivar backend: the newest configuration of the backend.
    :ivar streaming: slots that are held.
    :ivar waiting: requests that wait for one.
    """

    backend: Backend
    _clock: IReactorTime
    _seconds: Callable[[], float]
    streaming: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)
    # By owner, that of the next request first. Owners without one are not in it.
    _queues: OrderedDict[str, Waiters] = field(factory=OrderedDict, init=False)
    _mean_held: float | None = field(default=None, init=False)
    _admitting: bool = field(default=False, init=False)

    @property
    def idle(self) -> bool:
        """Whether nobody has a slot or waits for one."""
        return not self.streaming and not self.waiting

    def acquire(self, owner: str) -> Slot | Deferred[Slot]:
        """Return a slot, or a Deferred of one; raise `BackendBusy`. See `BackendSlots.acquire`."""
        if not self.waiting and self._has_room():
            return self._new_slot()
        displaced = None
        if self.waiting >= self._max_queue():
            displaced = self._displaced_by(owner)
            if displaced is None:
                raise self._busy()
            self._remove(displaced)
        waiter = self._enqueue(owner)
        if displaced is not None:
            displaced.slot.errback(self._busy())  # last, as whoever gets it may come here again
        return waiter.slot

    def released(self, since: float) -> None:
        """Note that a slot which was given at ``since`` is free, and pass it on."""
        self.streaming -= 1
        held = max(0.0, self._seconds() - since)
        mean = self._mean_held
        self._mean_held = held if mean is None else mean + WEIGHT * (held - mean)
        self.admit()

    def admit(self) -> None:
        """Assign the free slots to those who wait."""
        if self._admitting:
            return  # who has just got a slot gave it back at once: the loop below goes on, without recursion
        self._admitting = True
        try:
            while self.waiting and self._has_room():
                waiter = self._next()
                waiter.slot.callback(self._new_slot())
        finally:
            self._admitting = False

    def _has_room(self) -> bool:
        limit = self.backend.max_streams
        return limit is None or self.streaming < limit

    def _max_queue(self) -> int:
        backend = self.backend
        return QUEUE_FACTOR * (backend.max_streams or 0) if backend.max_queue is None else backend.max_queue

    def _new_slot(self) -> Slot:
        self.streaming += 1
        return Slot(self, self._seconds())

    def _enqueue(self, owner: str) -> Waiter:
        waiter = Waiter(owner, Deferred(lambda _: self._remove(waiter)))
        waiter.timer = self._clock.callLater(self.backend.queue_timeout, self._expired, waiter)
        self._queues.setdefault(owner, OrderedDict())[waiter] = None
        self.waiting += 1
        return waiter

    def _remove(self, waiter: Waiter) -> None:
        """Remove a request from the queue, and stop its timer."""
        waiters = self._queues[waiter.owner]
        del waiters[waiter]
        if not waiters:
            del self._queues[waiter.owner]
        self.waiting -= 1
        stop_timer(waiter.timer)

    def _next(self) -> Waiter:
        """Remove and return the next request of the queue; its owner is the last to have a turn again."""
        owner, waiters = next(iter(self._queues.items()))
        self._queues.move_to_end(owner)
        waiter = next(iter(waiters))
        self._remove(waiter)
        return waiter

    def _displaced_by(self, owner: str) -> Waiter | None:
        """Return the newest request of the owner with most; None if that is not more than ``owner`` would have then."""
        most = max(self._queues.values(), key=len, default=None)
        if most is None or len(most) <= len(self._queues.get(owner, ())) + 1:
            return None
        return next(reversed(most))

    def _expired(self, waiter: Waiter) -> None:
        self._remove(waiter)
        waiter.slot.errback(self._busy(f"no place became free within {self.backend.queue_timeout:g} s (queue_timeout)"))

    def _busy(self, why: str = "") -> BackendBusy:
        name = self.backend.name
        limit = f"{self.backend.max_streams} requests at a time (max_streams of [backend:{name}])"
        why = why or f"{self.waiting} more are waiting (max_queue)"
        return BackendBusy(f"backend {name} is busy: it answers {limit}, and {why}", retry_after=self._expected_wait())

    def _expected_wait(self) -> float:
        """Return how long a request would wait that came now: all before it, as long as slots were held lately."""
        held = FIRST_GUESS if self._mean_held is None else self._mean_held
        expected = held * (self.waiting + 1) / (self.backend.max_streams or 1)
        return min(max(SHORTEST_WAIT, expected), LONGEST_WAIT)


class BackendSlots:
    """The slots of all backends with ``max_streams``: one object for the process, whatever its configuration becomes.

    :param clock: runs the timers of those who wait.
    :param seconds: a monotonic clock. Default: ``clock.seconds``.
    """

    def __init__(self, clock: IReactorTime, seconds: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._seconds = seconds or clock.seconds
        # One entry a configured backend with a limit.
        self._pools: dict[str, SlotPool] = {}

    def acquire(self, backend: Backend, owner: str = "") -> Slot | Deferred[Slot]:
        """Return a slot for one stream at ``backend``, or if all are held a Deferred of one.

        The Deferred fails with `BackendBusy` after ``queue_timeout``, or when a request of somebody who has fewer
        displaces this one; cancelling it leaves the queue. Raises `BackendBusy` if the queue is full. ``owner`` is
        whose request it is: owners take turns.
        """
        if backend.max_streams is None:
            return UNLIMITED
        return self._pool(backend).acquire(owner)

    def figures(self, backend: str) -> tuple[int, int]:
        """Return how many slots of ``backend`` are held, and how many requests wait for one.

        Without ``max_streams`` nothing is counted: both are 0.
        """
        pool = self._pools.get(backend)
        return (0, 0) if pool is None else (pool.streaming, pool.waiting)

    def limits_changed(self, backends: Collection[Backend]) -> None:
        """Apply new limits from now on: a higher one admits those who wait, under a lower one streams go on."""
        for backend in backends:
            if backend.max_streams is not None or backend.name in self._pools:
                pool = self._pool(backend)
                pool.backend = backend
                pool.admit()

    def keep_only(self, backends: Collection[Backend]) -> None:
        """Drop what belongs to other backends, or to those that have no limit any more."""
        limited = {backend.name for backend in backends if backend.max_streams is not None}
        self._pools = {name: pool for name, pool in self._pools.items() if name in limited or not pool.idle}

    def _pool(self, backend: Backend) -> SlotPool:
        pool = self._pools.get(backend.name)
        if pool is None:
            pool = self._pools[backend.name] = SlotPool(backend, self._clock, self._seconds)
        return pool
