"""Several runs make one figure, beside the relay's of the same rounds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results import Comparison, Measured, Spread

TIMES = st.floats(0.001, 1000)


def measured(*times: float) -> Measured:
    """Return runs with these milliseconds a request."""
    return Measured([{"request_ms": time} for time in times])


class MeasuredTests:
    """`Measured`."""

    def test_the_smallest_time_and_the_largest_memory_count(self) -> None:
        """Neighbours only add to times; memory that an earlier run left behind must not hide what a stream takes."""
        runs = Measured()
        for size, delay in ((30.0, 0.2), (2.0, 0.1), (20.0, 0.3)):
            runs.add(Measured([{"stream_kib": size, "late_s": delay}], right=1, wrong=Counter(late=2)))

        assert runs.spread("stream_kib") == Spread(30.0, 2.0, 30.0)
        assert runs.spread("late_s") == Spread(0.1, 0.1, 0.3)
        assert (runs.right, runs.wrong) == (3, {"late": 6})

    def test_a_figure_that_no_run_has_is_none(self) -> None:
        """A first token that never came has no time; runs that have one count."""
        runs = Measured([{}, {"first_token_ms": 2.0}])

        assert runs.spread("first_token_ms") == Spread(2.0, 2.0, 2.0)
        assert runs.spread("late_s") is None


class ComparisonTests:
    """`Comparison`."""

    def test_the_smallest_is_taken_over_the_smallest(self) -> None:
        """The multiple is of the best runs of both; its spread is that of the rounds, each by itself."""
        compared = Comparison(measured(9.0, 6.0, 8.0), measured(1.0, 2.0, 2.0))

        assert compared.multiple("request_ms") == Spread(6.0, 3.0, 9.0)

    @given(rounds=st.lists(st.tuples(TIMES, TIMES), min_size=1))
    def test_the_multiple_lies_within_its_spread(self, rounds: list[tuple[float, float]]) -> None:
        """Whatever the rounds showed."""
        multiple = Comparison(*(measured(*times) for times in zip(*rounds, strict=True))).multiple("request_ms")

        assert multiple is not None
        assert multiple.least <= multiple.counts * (1 + 1e-9)
        assert multiple.counts <= multiple.most * (1 + 1e-9)

    @pytest.mark.parametrize("relay", [Measured(), Measured([{}]), measured(0.0)])
    def test_what_the_relay_did_not_do_has_no_multiple(self, relay: Measured) -> None:
        """Nor what took it no time that the kernel counts."""
        assert Comparison(measured(1.0), relay).multiple("request_ms") is None

    def test_a_round_that_lacks_a_figure_does_not_shift_the_others(self) -> None:
        """A run is compared with the relay's of the same round."""
        compared = Comparison(Measured([{}, {"request_ms": 6.0}]), measured(1.0, 2.0))

        assert compared.multiple("request_ms") == Spread(3.0, 3.0, 3.0)
