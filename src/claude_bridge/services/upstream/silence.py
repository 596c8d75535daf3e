"""How long a backend may be quiet: to its first data event, inside its answer, and after its finish reason.

Design 5, "five timers". One `Silence` watches one answer. It is told of bytes by a plain counter (no clock is
read for a delta) and looks at the counter when the sweep asks.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from claude_bridge.core.errors import UpstreamError, UpstreamTimeout

# Backends that report usage do it in the chunk after the finish reason, at once. One that says nothing more for
# this long, nor closes, is not worth waiting for.
GRACE_SECONDS = 5.0


@define(eq=False, repr=False)
class Silence:
    """The limits on one answer; a `claude_bridge.services.interfaces.Watch`.

    Silence is added up from look to look: an interval in which bytes came counts as none, and time spent paused
    does not count, for then the client is slow and not the backend. Pausing and resuming read the clock, so that
    only whole stretches of listening are added.

    :ivar backend: its configured name, for the message.
    :ivar first_byte_timeout: seconds allowed until `data_event_seen`; any byte starts them anew.
    :ivar idle_timeout: seconds allowed after it.
    :ivar seconds: the clock.
    :ivar expired: called once, with the error, or with None when the grace is over (which is no fault).
    :ivar bytes_seen: to be increased by whoever reads.
    """

    backend: str
    first_byte_timeout: float
    idle_timeout: float
    seconds: Callable[[], float]
    expired: Callable[[UpstreamError | None], None]
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
        """From now on the idle limit holds."""
        self._streaming = True

    def finish_seen(self) -> None:
        """From now on there is only the grace, however many bytes come; saying it again begins it anew."""
        self._finishing = True
        self._silent = 0.0
        self._since = self.seconds()

    def paused(self) -> None:
        """Stop counting: nobody listens."""
        if not self._paused:
            self._listened(self.seconds())
            self._paused = True

    def resumed(self) -> None:
        """Count on."""
        if self._paused:
            self._paused = False
            self._since = self.seconds()

    def check(self, now: float) -> None:
        """Add up, and expire if the limit of the present phase is reached."""
        if self._paused:
            return
        self._listened(now)
        if self._silent >= self._limit():
            self.expired(self._error())

    def _listened(self, now: float) -> None:
        self._silent += max(0.0, now - self._since)  # a clock set back is no silence
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
