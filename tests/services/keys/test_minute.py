"""A limit for every minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.services.keys.minute import MinuteLimits, SlidingMinute


class SlidingMinuteTests:
    """What was used in the last sixty seconds counts, and nothing else."""

    def test_room_comes_back_when_the_oldest_use_is_a_minute_old(self) -> None:
        """A full minute tells when there is room again."""
        minute = SlidingMinute(2)
        minute.add(0.0, 1)
        minute.add(10.0, 1)
        assert [minute.ready_in(now, 1) for now in (10.0, 59.0, 60.0)] == [50.0, 1.0, 0.0]
        minute.add(60.0, 1)
        assert [minute.ready_in(now, 1) for now in (60.0, 70.0)] == [10.0, 0.0]

    def test_waits_for_as_many_as_it_takes(self) -> None:
        """A large amount waits until enough small ones are old."""
        minute = SlidingMinute(100)
        for now in (0.0, 1.0, 2.0):
            minute.add(now, 30)
        assert [minute.ready_in(2.0, amount) for amount in (10, 11, 41, 71)] == [0.0, 58.0, 59.0, 60.0]

    def test_more_than_the_limit(self) -> None:
        """What is larger than the limit has its turn when nothing else was used: else it never would."""
        minute = SlidingMinute(100)
        assert minute.ready_in(0.0, 1000) == 0.0
        minute.add(0.0, 1000)
        assert minute.ready_in(5.0, 1) == 55.0
        assert minute.ready_in(60.0, 1000) == 0.0

    @given(st.integers(1, 5), st.lists(st.floats(0.0, 30.0), max_size=60))
    def test_never_more_in_any_minute(self, limit: int, pauses: list[float]) -> None:
        """Who always waits as told never exceeds the limit in any sixty seconds, and does not wait in vain."""
        minute, now, used = SlidingMinute(limit), 0.0, list[float]()
        for pause in pauses:
            now += pause
            wait = minute.ready_in(now, 1)
            now += wait
            assert minute.ready_in(now, 1) < 1e-9
            minute.add(now, 1)
            used.append(now)
            assert sum(now - each < 60.0 - 1e-6 for each in used) <= limit
            if wait > 0:
                assert any(abs(now - each - 60.0) < 1e-6 for each in used)


class MinuteLimitsTests:
    """Requests and tokens of a minute together."""

    def test_requests_under_way(self) -> None:
        """What requests under way may take is set aside; nobody knows when they end, so it is looked again soon."""
        limits = MinuteLimits(tokens=SlidingMinute(100))
        limits.begun(0.0, 80)
        assert (limits.tokens_ready_in(0.0, 20), limits.tokens_ready_in(0.0, 21)) == (0.0, 1.0)
        limits.ended(5.0, 80, 90)
        assert (limits.tokens_ready_in(5.0, 10), limits.tokens_ready_in(5.0, 11)) == (0.0, 60.0)

    def test_without_limits(self) -> None:
        """Where there is no limit there is always room."""
        limits = MinuteLimits()
        limits.begun(0.0, 10**9)
        limits.ended(0.0, 10**9, 10**9)
        assert (limits.requests_ready_in(0.0), limits.tokens_ready_in(0.0, 1)) == (0.0, 0.0)
