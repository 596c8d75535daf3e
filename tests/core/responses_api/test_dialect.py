"""Tests for `claude_bridge.core.responses_api.dialect`."""

from __future__ import annotations

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.responses_api.dialect import GENERIC, Target, as_fields
from claude_bridge.core.responses_api.traits import Traits


class GenericTests:
    """A server that nobody knows."""

    def test_recognises_nothing(self) -> None:
        """It has no hosts."""
        assert GENERIC.recognised(Clues(host="x.example")) == ""

    def test_has_the_default_traits(self) -> None:
        """For every model."""
        assert GENERIC.traits("gpt-5.6") == Traits()
        assert Target(model="m", **as_fields(Traits())) == Target(model="m")

    def test_switching_off(self) -> None:
        """It is asked for no reasoning only where it has a word for that."""
        assert not GENERIC.switches_off(("low", "high"))
        assert GENERIC.switches_off(("none", "low"))
        assert GENERIC.switches_off(("minimal", "low"))
