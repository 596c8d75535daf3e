"""Idle connections to one backend, kept for its next requests: the one that was used last is taken first."""

from __future__ import annotations

from typing import Final, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from claude_bridge.services.callbacks import stop_timer

# Servers and middleboxes that close idle connections after a minute (nginx 75 s, common load balancers 60 s) never see
# ours idle that long, so none of ours is dropped unnoticed. Those that close after 5 s (uvicorn, Node, llama.cpp) do it
# visibly; repeating the request handles the race that remains. A shorter time would cost a TLS handshake after every
# tool that a client runs.
IDLE_SECONDS: Final = 30.0

# A peer that never answers our close must not delay the daemon's stop.
CLOSE_SECONDS: Final = 2.0


class Reusable(Protocol):
    """A connection that can be kept."""

    @property
    def origin(self) -> object:
        """What it is connected to."""

    def close(self) -> None:
        """Close it; over TLS the peer has to agree."""

    def abort(self) -> None:
        """Close it at once."""


@define(eq=False)
class IdleConnections:
    """The idle connections to one backend.

    Those that were told to close are aborted if they are still there when the timer goes off the next time.
    """

    _clock: IReactorTime
    _limit: int
    _idle: list[tuple[float, Reusable]] = field(factory=list, init=False)  # since when; the oldest first
    _closing: set[Reusable] = field(factory=set, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _closed: Deferred[None] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, origin: object) -> Reusable | None:
        """Return the connection to ``origin`` that became idle last, or None if there is none."""
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][1].origin == origin:
                return self._idle.pop(index)[1]
        return None

    def put(self, connection: Reusable) -> None:
        """Keep an idle connection; if there are too many, the oldest is closed."""
        if self._closed is not None:
            self.retire(connection)
            return
        self._idle.append((self._clock.seconds(), connection))
        if len(self._idle) > self._limit:
            self.retire(self._idle.pop(0)[1])
        self._start_timer(IDLE_SECONDS)

    def retire(self, connection: Reusable) -> None:
        """Close a connection that is not to be kept."""
        self._closing.add(connection)
        connection.close()
        if self._closing:
            self._start_timer(IDLE_SECONDS)

    def retire_idle(self) -> None:
        """Close all idle connections."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            self.retire(connection)

    def lost(self, connection: Reusable) -> None:
        """Forget a connection that has ended, in whatever state it was."""
        self._closing.discard(connection)
        self._idle = [entry for entry in self._idle if entry[1] is not connection]
        if self._closed is not None:
            self._tell_closed()

    def close(self) -> Deferred[None]:
        """Close the idle connections, and each other one as soon as it is idle; fires within `CLOSE_SECONDS`."""
        self._closed = closed = Deferred[None]()
        stop_timer(self._timer)
        self._timer = self._clock.callLater(CLOSE_SECONDS, self._give_up)
        self.retire_idle()
        self._tell_closed()
        return closed

    def _start_timer(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._expire)

    def _expire(self) -> None:
        """Close what has been idle for too long; runs while anything is kept, at most every `IDLE_SECONDS`."""
        self._timer = None
        self._abort_closing()
        too_old = self._clock.seconds() - IDLE_SECONDS
        expired = [connection for since, connection in self._idle if since <= too_old]
        del self._idle[: len(expired)]
        if self._idle:
            self._start_timer(self._idle[0][0] - too_old)
        for connection in expired:
            self.retire(connection)

    def _give_up(self) -> None:
        self._timer = None
        self._abort_closing()
        self._closing.clear()
        self._tell_closed()

    def _abort_closing(self) -> None:
        for connection in tuple(self._closing):
            connection.abort()

    def _tell_closed(self) -> None:
        if self._closed is None or self._closing:
            return
        stop_timer(self._timer)
        self._timer = None
        if not self._closed.called:
            self._closed.callback(None)
