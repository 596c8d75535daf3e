"""A reactor's clock when somebody sets the machine's."""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.selectreactor import SelectReactor

from claude_bridge.services.steady_time import keep_steady_time

HOUR = 3600.0


class MachineClock:
    """The wall clock of a machine, which the test sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def seconds(self) -> float:
        """Return what the machine shows."""
        return time.time() + self.ahead


def reactor_of(kind: type[Any], clock: MachineClock) -> Any:
    """Return a reactor that looks at a machine's clock, as Twisted's do by themselves."""
    made = kind()
    made.seconds = clock.seconds
    return made


@pytest.mark.parametrize("kind", [EPollReactor, SelectReactor])
@pytest.mark.parametrize("by", [-HOUR, HOUR])
class SteadyTimeTests:
    """A clock that is set back, or forward, by an hour."""

    def test_timers(self, kind: type[Any], by: float) -> None:
        """Timers are due when they should be, those too that were there before and those that were cancelled."""
        clock, ran = MachineClock(), list[str]()
        reactor = reactor_of(kind, clock)
        reactor.callLater(0.0, ran.append, "cancelled").cancel()
        reactor.callLater(0.01, ran.append, "before")
        keep_steady_time(reactor)
        clock.ahead = by
        reactor.callLater(0.02, ran.append, "after")
        reactor.callLater(60, ran.append, "much later")
        assert reactor.timeout() < 1
        limit = time.monotonic() + 5
        while len(ran) < 2 and time.monotonic() < limit:
            reactor.runUntilCurrent()
        assert ran == ["before", "after"]
        assert 55 < reactor.timeout() <= 60

    def test_shows_the_time_of_the_start(self, kind: type[Any], by: float) -> None:
        """It goes on from what the clock showed; once more, it goes on from that."""
        clock = MachineClock()
        reactor = reactor_of(kind, clock)
        keep_steady_time(reactor)
        began = time.time()
        clock.ahead = by
        assert reactor.seconds() == pytest.approx(began, abs=5)
        keep_steady_time(reactor)
        assert reactor.seconds() == pytest.approx(began, abs=5)
