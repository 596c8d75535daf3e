"""Durations in buckets, and rates."""

from __future__ import annotations

import pytest

from claude_bridge.services.accounting.histogram import RATE_SECONDS, Histogram, Rate


class HistogramTests:
    """Counting durations."""

    @pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (1.0, 0), (1.001, 1), (5.0, 1), (5.1, 2), (1e9, 2)])
    def test_buckets(self, seconds: float, bucket: int) -> None:
        """A bound belongs to its bucket, and what is above all of them to the last one."""
        histogram = Histogram((1.0, 5.0))
        histogram.count_one(seconds)
        assert histogram.buckets == [int(each == bucket) for each in range(3)]

    def test_sums(self) -> None:
        """Number and sum are known, so that a mean is."""
        histogram = Histogram((1.0,))
        histogram.count_one(0.5)
        histogram.count_one(2.5)
        assert (histogram.count, histogram.seconds) == (2, 3.0)

    def test_add(self) -> None:
        """Two histograms make one."""
        one, two = Histogram((1.0,)), Histogram((1.0,))
        one.count_one(0.5)
        two.count_one(0.5)
        two.count_one(3.0)
        one.add(two)
        assert (one.buckets, one.seconds) == ([2, 1], 4.0)


class RateTests:
    """How many come in a second."""

    def test_average_of_a_minute(self) -> None:
        """What came in the last minute counts, and what came before it no more."""
        rate = Rate()
        rate.count(600, 1_000_000.2)
        rate.count(600, 1_000_000.9)
        assert rate.per_second(1_000_030.0) == 1200 / RATE_SECONDS
        rate.count(60, 1_000_059.0)
        assert rate.per_second(1_000_059.9) == 1260 / RATE_SECONDS
        assert rate.per_second(1_000_060.0) == 60 / RATE_SECONDS
        assert rate.per_second(1_000_119.0) == 0

    def test_after_a_long_pause(self) -> None:
        """A pause of any length leaves nothing of what was before."""
        rate = Rate()
        for second in range(100):
            rate.count(1, float(second))
        assert rate.per_second(99.0) == 1.0
        assert rate.per_second(10.0**7) == 0
