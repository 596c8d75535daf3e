"""Promises of the periodic sweep."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from claude_bridge.services.interfaces import Sweep
from claude_bridge.services.sweep import PeriodicSweep


@define  # not hashable, as attrs classes with equality are
class Noting:
    """A watch that notes when it was asked, and then does ``act``."""

    act: Callable[[], object] = lambda: None
    asked: list[float] = field(factory=list)

    def check(self, now: float) -> None:
        """Note ``now``."""
        self.asked.append(now)
        self.act()


class PeriodicSweepTests:
    """One clock for all deadlines."""

    def test_asks_once_an_interval(self) -> None:
        """A deadline is looked at once a second by default."""
        clock = Clock()
        sweep: Sweep = PeriodicSweep(clock)
        watch = Noting()
        sweep.add(watch)
        clock.pump([0.5, 0.5, 1.0])
        assert watch.asked == [1.0, 2.0]
        assert sweep.seconds() == 2.0

    def test_interval_is_configurable(self) -> None:
        """A test or a small installation may look more often."""
        clock = Clock()
        sweep = PeriodicSweep(clock, interval=0.25)
        watch = Noting()
        sweep.add(watch)
        clock.pump([0.25] * 4)
        assert len(watch.asked) == 4

    def test_setting_the_wall_clock_is_no_silence(self) -> None:
        """Watches are told the time of a clock that nobody can set, where one is given."""
        clock, monotonic = Clock(), Clock()
        sweep = PeriodicSweep(clock, seconds=monotonic.seconds)
        watch = Noting()
        sweep.add(watch)
        monotonic.advance(7)
        clock.advance(1)
        assert (watch.asked, sweep.seconds()) == ([7.0], 7.0)

    def test_discarded_watch_is_not_asked(self) -> None:
        """What has ended is left alone, and discarding twice does no harm."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        watch, other = Noting(), Noting()
        sweep.add(watch)
        sweep.add(other)
        sweep.discard(watch)
        sweep.discard(watch)
        clock.advance(1)
        assert (watch.asked, other.asked) == ([], [1.0])

    def test_idle_daemon_sleeps(self) -> None:
        """With nothing to watch no timer is left behind."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        assert clock.getDelayedCalls() == []
        watch = Noting()
        sweep.add(watch)
        assert len(clock.getDelayedCalls()) == 1
        sweep.discard(watch)
        clock.advance(1)
        assert clock.getDelayedCalls() == []

    def test_goes_on_after_sleeping(self) -> None:
        """A watch added after an idle time is looked at again."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        first, second = Noting(), Noting()
        sweep.add(first)
        sweep.discard(first)
        clock.advance(5)
        sweep.add(second)
        clock.advance(1)
        assert second.asked == [6.0]

    def test_watches_may_change_during_the_look(self) -> None:
        """One stream's end may start or end others in the same moment."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        late, doomed = Noting(), Noting()

        def act() -> None:
            sweep.discard(doomed)
            sweep.add(late)

        sweep.add(Noting(act))
        sweep.add(doomed)
        clock.advance(1)
        assert (doomed.asked, late.asked) == ([], [])
        clock.advance(1)
        assert late.asked == [2.0]

    def test_broken_watch_is_logged_and_dropped(self, logged_failures: list[LogEvent]) -> None:
        """One broken stream does not end everybody else's deadlines."""

        def act() -> None:
            raise RuntimeError("broken")

        clock = Clock()
        sweep = PeriodicSweep(clock)
        broken, sound = Noting(act), Noting()
        sweep.add(broken)
        sweep.add(sound)
        clock.pump([1, 1])
        assert (len(broken.asked), len(sound.asked)) == (1, 2)
        assert [str(event["log_failure"].value) for event in logged_failures] == ["broken"]
        logged_failures.clear()

    def test_stopped_service_looks_no_more(self) -> None:
        """After the daemon's stop no timer runs, and a late watch starts none."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        sweep.startService()
        watch = Noting()
        sweep.add(watch)
        sweep.stopService()
        sweep.add(watch)
        clock.advance(10)
        assert watch.asked == []
        assert clock.getDelayedCalls() == []

    def test_starts_again(self) -> None:
        """A service that is started again looks at what was added meanwhile."""
        clock = Clock()
        sweep = PeriodicSweep(clock)
        sweep.startService()
        sweep.stopService()
        watch = Noting()
        sweep.add(watch)
        sweep.startService()
        clock.advance(1)
        assert watch.asked == [1.0]
        assert len(sweep) == 1
