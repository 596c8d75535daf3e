"""How long who was refused waits."""

from __future__ import annotations

import pytest

from claude_bridge.services.keys.cool_downs import CoolDowns


class CoolDownTests:
    """Rate limits of one key or of many."""

    @pytest.mark.parametrize(
        ("named", "waits"),
        [
            ([None] * 7, [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]),
            ([3.0, None, None], [3.0, 10.0, 20.0]),
            ([0.0, -1.0], [0.0, 0.0]),
            ([300.0, 301.0, 86_400.0, float("inf")], [300.0] * 4),
        ],
    )
    def test_refusals_in_a_row(self, named: list[float | None], waits: list[float]) -> None:
        """The backend's own word holds, up to five minutes; without one the wait doubles up to a minute."""
        cool_downs, now = CoolDowns[str](10), 0.0
        for retry_after, wait in zip(named, waits, strict=True):
            assert cool_downs.refused("a", sent=now, now=now + 1, retry_after=retry_after) == wait
            assert cool_downs.ready_in("a", now + 1) == wait
            now += 1 + wait
            assert cool_downs.ready_in("a", now) == 0.0

    def test_an_answer_ends_the_row(self) -> None:
        """After an answer the next refusal is the first again."""
        cool_downs = CoolDowns[str](10)
        cool_downs.refused("a", sent=0.0, now=0.0, retry_after=None)
        cool_downs.refused("a", sent=5.0, now=5.0, retry_after=None)
        cool_downs.succeeded("a", sent=15.0)
        assert len(cool_downs) == 0
        assert cool_downs.refused("a", sent=16.0, now=16.0, retry_after=None) == 5.0

    def test_requests_under_way_are_one_refusal(self) -> None:
        """What was sent before the wait neither doubles it nor ends it; a longer time that it brings holds."""
        cool_downs = CoolDowns[str](10)
        assert cool_downs.refused("a", sent=0.0, now=1.0, retry_after=None) == 5.0
        assert cool_downs.refused("a", sent=0.5, now=2.0, retry_after=None) is None
        cool_downs.succeeded("a", sent=0.7)
        assert cool_downs.ready_in("a", 2.0) == 4.0
        assert cool_downs.refused("a", sent=0.8, now=3.0, retry_after=20.0) is None
        assert cool_downs.ready_in("a", 3.0) == 20.0
        assert cool_downs.refused("a", sent=0.9, now=4.0, retry_after=1.0) is None
        assert cool_downs.ready_in("a", 4.0) == 19.0

    def test_each_for_itself(self) -> None:
        """A refusal says nothing about others."""
        cool_downs = CoolDowns[str](10)
        cool_downs.refused("a", sent=0.0, now=0.0, retry_after=9.0)
        assert (cool_downs.ready_in("a", 0.0), cool_downs.ready_in("b", 0.0)) == (9.0, 0.0)

    def test_bounded(self) -> None:
        """Past the bound the oldest is forgotten."""
        cool_downs = CoolDowns[int](100)
        for number in range(150):
            cool_downs.refused(number, sent=0.0, now=0.0, retry_after=9.0)
        assert len(cool_downs) == 100
        assert [cool_downs.ready_in(number, 0.0) for number in (0, 49, 50, 149)] == [0.0, 0.0, 9.0, 9.0]
