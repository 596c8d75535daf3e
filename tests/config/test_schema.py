"""The schema documents itself."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.config.schema import Backend, Config, Limits, Model, Server
from claude_bridge.config.sections import KINDS
from claude_bridge.core.chat_completions.traits import Traits


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


class SchemaTests:
    """Every key is described, and nothing shows a header's value."""

    def test_every_key_has_a_sentence(self) -> None:
        """A user finds a sentence for each key."""
        silent = [f"{kind.word}.{key.name}" for kind in KINDS.values() for key in kind.keys if not key.metadata["help"]]
        assert silent == []

    def test_every_time_and_size_has_a_bound(self) -> None:
        """No number is without a bound."""
        unbounded = [
            f"{kind.word}.{key.name}"
            for kind in KINDS.values()
            for key in kind.keys
            if key.type in {int, float, int | None, float | None} and key.validator is None
        ]
        assert unbounded == []

    def test_nothing_is_something(self) -> None:
        """A list that is set to nothing wins over the dialect's; one that is not set leaves it as it is."""
        plain = Traits(drop=("stop",))

        assert evolve(plain, **Model(alias="m", drop=()).overrides).drop == ()
        assert evolve(plain, **Model(alias="m").overrides).drop == ("stop",)

    def test_headers_do_not_show_their_values(self) -> None:
        """A key in a request header stays out of tracebacks and logs."""
        shown = repr(Config(backends={"b": Backend(name="b", headers=(("X-Api-Key", "hidden-key"),))}))

        assert "X-Api-Key" in shown
        assert "hidden-key" not in shown
