"""Promises of callbacks."""

from __future__ import annotations

from twisted.internet.task import Clock

from claude_bridge.services.callbacks import do_nothing, stop_timer


class DoNothingTests:
    """The callback that does nothing."""

    def test_any_arguments(self) -> None:
        """It takes whatever the place takes in which it stands."""
        do_nothing()
        do_nothing("credential", 1)


class StopTimerTests:
    """Timers are stopped in any state."""

    def test_running(self) -> None:
        """A timer that runs is not called any more."""
        clock, called = Clock(), list[int]()
        stop_timer(clock.callLater(1, called.append, 1))
        clock.advance(2)
        assert (called, clock.getDelayedCalls()) == ([], [])

    def test_not_running(self) -> None:
        """A timer that was called, or stopped before, is left alone; so is none."""
        clock = Clock()
        called, stopped = clock.callLater(1, do_nothing), clock.callLater(1, do_nothing)
        stopped.cancel()
        clock.advance(1)
        for timer in (called, stopped, None):
            stop_timer(timer)
