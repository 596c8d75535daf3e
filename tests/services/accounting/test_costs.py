"""Tests for `claude_bridge.services.accounting.costs`."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.costs import request_cost
from claude_bridge.services.interfaces import AttemptRecord
from tests.services.accounting.test_request_log import ATTEMPT

FAILED = evolve(ATTEMPT, usage=None, outcome="upstream_unreachable")


def priced(cost: int) -> AttemptRecord:
    """Return an attempt that cost so many pico-dollars."""
    return evolve(ATTEMPT, cost=cost)


class RequestCostTests:
    """What the attempts of a request cost together."""

    @given(st.lists(st.integers(0, 10**18), min_size=1))
    def test_sum(self, costs: list[int]) -> None:
        """It is their sum, to the last pico-dollar; attempts without tokens add nothing."""
        assert request_cost([FAILED, *map(priced, costs), FAILED]) == sum(costs)

    def test_unknown(self) -> None:
        """It is unknown if that of any attempt with tokens is, and if there were no tokens at all."""
        assert request_cost([priced(5), ATTEMPT, priced(5)]) is None
        assert request_cost([FAILED]) is None
        assert request_cost([]) is None

    def test_free(self) -> None:
        """Nothing is an amount."""
        assert request_cost([evolve(ATTEMPT, usage=Usage(1, 1), cost=0)]) == 0
