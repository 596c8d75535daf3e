"""How long a backend may be silent: before its first data event, inside its answer, and after its finish reason.

The timers of docs/design.md 7.1. One `Silence` watches one response. Bytes are noted by a plain counter, so that no
clock is read for a delta; the sweep compares the counter with its last value.

::

    waiting --- data event ---> streaming --- finish reason ---> finishing
    first_byte_timeout          idle_timeout                     GRACE_SECONDS

In each phase silence counts up to the limit below it. In the first two any byte resets it, and reaching the limit is an
error; while finishing only more content resets it, and reaching the limit is the normal end. A finish reason may also
come while waiting. While the client has paused the response, no time counts.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from claude_bridge.core.errors import UpstreamError, UpstreamTimeout

# Backends that report usage send it in the chunk after the finish reason, at once. If one sends nothing for this long,
# and does not close the connection, there is nothing to wait for.
GRACE_SECONDS = 5.0


@define(eq=False, repr=False)
class Silence:
    """The limits of one response; a `claude_bridge.services.interfaces.Watch`.

    Silence is added up from check to check: an interval in which bytes arrived resets it, and time spent paused does
    not count, since then the client is slow and not the backend. Pausing and resuming read the clock, so that only
    time in which we read is added.

    :ivar backend: its configured name, for the message.
    :ivar first_byte_timeout: seconds of silence allowed until `data_event_seen`.
    :ivar idle_timeout: seconds of silence allowed after it.
    :ivar seconds: the clock.
    :ivar on_expired: called once, with the error, or with None when the grace has passed (which is not an error).
    :ivar bytes_seen: increased by whoever reads.
    """

    backend: str
    first_byte_timeout: float
    idle_timeout: float
    seconds: Callable[[], float]
    on_expired: Callable[[UpstreamError | None], None]
    bytes_seen: int = 0
    _bytes_noted: int = 0
    _silent: float = 0.0
    _since: float = field(init=False)
    _paused: bool = False
    _streaming: bool = False
    _finishing: bool = False

    @_since.default
    def _started(self) -> float:
        return self.seconds()

    def data_event_seen(self) -> None:
        """Apply the idle limit from now on."""
        self._streaming = True

    def finish_seen(self) -> None:
        """Apply the grace from now on, however many bytes arrive; another call restarts it."""
        self._finishing = True
        self._silent = 0.0
        self._since = self.seconds()

    def paused(self) -> None:
        """Stop counting: the response is not read."""
        if not self._paused:
            self._add_up(self.seconds())
            self._paused = True

    def resumed(self) -> None:
        """Continue counting."""
        if self._paused:
            self._paused = False
            self._since = self.seconds()

    def check(self, now: float) -> None:
        """Add up the silence, and expire if it has reached the limit of the current phase."""
        if self._paused:
            return
        self._add_up(now)
        if self._silent >= self._limit():
            self.on_expired(self._error())

    def _add_up(self, now: float) -> None:
        self._silent += max(0.0, now - self._since)  # the clock may have been set back
        self._since = now
        if self.bytes_seen != self._bytes_noted and not self._finishing:
            self._silent = 0.0
        self._bytes_noted = self.bytes_seen

    def _limit(self) -> float:
        if self._finishing:
            return GRACE_SECONDS
        return self.idle_timeout if self._streaming else self.first_byte_timeout

    def _error(self) -> UpstreamError | None:
        if self._finishing:
            return None
        if self._streaming:
            return UpstreamTimeout(
                f"backend {self.backend} was silent inside its answer for {self.idle_timeout:g} s (idle_timeout)"
            )
        return UpstreamTimeout(
            f"backend {self.backend} did not begin to answer within {self.first_byte_timeout:g} s (first_byte_timeout)"
        )
