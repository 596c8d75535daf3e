"""Bounds of numbers and words."""

from __future__ import annotations

import pytest

from claude_bridge.config.schema import Backend, Limits, Server


class BetweenTests:
    """Numbers keep within their bounds however a configuration is made."""

    @pytest.mark.parametrize("seconds", [0.001, 86_400])
    def test_both_ends_are_allowed(self, seconds: float) -> None:
        """The bounds themselves are valid."""
        assert Server(ping_interval=seconds).ping_interval == seconds

    @pytest.mark.parametrize("seconds", [0.0, -1.0, 86_401.0, float("inf"), float("nan")])
    def test_outside(self, seconds: float) -> None:
        """A value outside is refused with the bounds and the unit."""
        with pytest.raises(ValueError, match=r"must be from 0\.001 to 86,400 s"):
            Server(ping_interval=seconds)

    def test_no_unit(self) -> None:
        """A plain count is refused without a unit."""
        with pytest.raises(ValueError, match=r"must be from 1 to 100,000$"):
            Limits(max_streams=0)


class OneOfTests:
    """Words come from a list."""

    def test_wrong_word(self) -> None:
        """A dialect that does not exist is refused with the nearest one."""
        with pytest.raises(ValueError, match=r"did you mean generic\?"):
            Backend(name="b", dialect="genric")
