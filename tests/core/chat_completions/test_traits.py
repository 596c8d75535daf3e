"""Promises of the traits: each is documented, can be overridden per model, and has a default that loses nothing."""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

import pytest
from attrs import evolve, fields, fields_dict

from claude_bridge.config.schema import Model
from claude_bridge.core.chat_completions.traits import Traits

NAMES = [each.name for each in fields(Traits)]


class TraitsTests:
    """What differs from backend to backend, as data."""

    @pytest.mark.parametrize("name", NAMES)
    def test_documented(self, name: str) -> None:
        """Each trait has its sentence, and the option of that name says the same."""
        said = fields_dict(Traits)[name].metadata["help"]
        assert said.endswith(".")
        assert fields_dict(Model)[name].metadata["help"] == f"{said} Default: the dialect's."

    @pytest.mark.parametrize("name", NAMES)
    def test_overridden(self, name: str) -> None:
        """Each can be set in `[model:*]`, takes the same words there, and is the dialect's where it is not set."""
        trait, option = get_type_hints(Traits)[name], get_type_hints(Model)[name]
        assert option == trait | None
        model = Model(alias="m", backend="b", name="m")
        assert getattr(model, name) is None
        assert getattr(evolve(Traits(), **model.overrides), name) == getattr(Traits(), name)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_word(self, name: str) -> None:
        """Whatever a section says is what holds."""
        for value in _values(get_type_hints(Traits)[name]):
            told: dict[str, Any] = {name: value}
            assert getattr(evolve(Traits(), **Model(alias="m", backend="b", name="m", **told).overrides), name) == value


def _values(kind: Any) -> list[Any]:
    """Return every value of a trait's type."""
    if kind is bool:
        return [True, False]
    words = get_args(kind)
    return [tuple(get_args(words[0])), ()] if get_origin(kind) is tuple else list(words)
