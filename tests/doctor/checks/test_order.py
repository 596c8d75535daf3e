"""Promises of the order of the checks."""

from __future__ import annotations

from claude_bridge.doctor.checks import order


class OrderTests:
    """Cheap checks come first."""

    def test_numbers_rise(self) -> None:
        """The checks are made in the order of their numbers, and the first five of a quick one spend nothing."""
        for quick in (True, False):
            numbers = [check.number for check in order.chosen(quick=quick)]
            assert numbers == sorted(numbers)
        assert order.tokens([check for check in order.chosen(quick=True) if check.number <= 5]) == 0

    def test_quick_is_cheaper(self) -> None:
        """A quick examination leaves the long prompts out."""
        whole, quick = order.tokens(order.chosen(quick=False)), order.tokens(order.chosen(quick=True))
        assert quick < whole / 3
        assert 3000 < quick < 3900
        assert 10_000 < whole < 12_500

    def test_window_is_judged_once(self) -> None:
        """Quick or not, one of two checks says whether the window is large enough."""
        for quick in (True, False):
            runs = [check.run.__name__ for check in order.chosen(quick=quick) if check.number == 6]
            assert len(runs) == 2
