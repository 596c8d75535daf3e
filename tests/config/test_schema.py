"""The schema documents itself."""

from __future__ import annotations

from attrs import evolve

from claude_bridge.config.schema import Backend, Config, Model
from claude_bridge.config.sections import KINDS
from claude_bridge.core.chat_completions.traits import Traits


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
