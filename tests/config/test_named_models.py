"""Tests for `claude_bridge.config.named_models`."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.config.named_models import (
    NamedModels,
    conversation_models,
    routed_models,
    section_of,
    which_model,
)
from claude_bridge.config.schema import Model
from claude_bridge.core.which_model import Choice, Meant
from claude_bridge.testing.fakes import FixedFacts
from tests.config.files import config_of

CONFIG = config_of(
    "[backend:box]\n[backend:shop]\n[model:air]\nbackend = box\nname = GLM-Air\ncontext_window = 5\n"
    "[route:eyes]\nmodels = shop/x\nwhen = image\n[route:default]\nmodels = air\n"
)
NAMED = NamedModels(CONFIG)


class ModelTests:
    """The model that a name means, with its settings."""

    @pytest.mark.parametrize(
        ("meant", "model"),
        [
            (Meant(alias="air"), CONFIG.models["air"]),
            (Meant(backend="box", model="GLM-Air"), CONFIG.models["air"]),
            (Meant(backend="shop", model="GLM-Air"), Model(alias="GLM-Air", backend="shop", name="GLM-Air")),
        ],
    )
    def test_settings(self, meant: Meant, model: Model) -> None:
        """A model has the settings of its section however it is named, and the defaults if it has none."""
        assert NAMED.model(meant) == model

    def test_another_case(self) -> None:
        """In another case it has them too, and keeps the spelling that it was named by."""
        found = NAMED.at("box", "glm-air")
        assert (found.alias, found.name, found.context_window) == ("air", "glm-air", 5)


class HomeTests:
    """The backend of a name that nothing else takes."""

    @pytest.mark.parametrize(
        ("text", "home"),
        [
            ("", "default"),
            ("[backend:b]\n", "b"),
            ("[backend:b]\n[backend:default]\n", "default"),
            ("[backend:b]\n[backend:c]\n", None),
        ],
    )
    def test_home(self, text: str, home: str | None) -> None:
        """It is the one called default, else the only one; of several none is."""
        found = NamedModels(config_of(text)).home
        assert (None if found is None else found.name) == home


LARGE = """
[backend:b]
[model:small]
context_window = 8000
[model:middle]
context_window = 130000
[model:large]
context_window = 1000000
[model:eyes]
context_window = 60000
[route:side]
models = small
when = background
"""
TALK = "[route:default]\nmodels = middle, small\n"
PAGES = "[route:long]\nmodels = large\nwhen = long_context 100000\n"
EYES = "[route:eyes]\nmodels = eyes\nwhen = image, background\n"


class ConversationTests:
    """The models that a conversation has to fit."""

    @pytest.mark.parametrize(
        ("routes", "name", "models"),
        [
            (TALK, "auto", ["middle"]),
            (TALK + EYES, "auto", ["eyes", "middle"]),
            (PAGES + TALK, "auto", ["large"]),
            (TALK + PAGES.replace("100000", "130001"), "auto", ["large", "middle"]),
            (EYES + PAGES + TALK, "auto", ["eyes", "large"]),
            (PAGES + EYES + TALK, "auto", ["large", "eyes"]),
            (TALK + "[route:names]\nmodels = large\nmatch = opus\n", "auto", ["middle"]),
            (TALK + "[route:names]\nmodels = large\nmatch = opus\n", "opus", ["large"]),
            (TALK, "middle", ["middle"]),
            (TALK + EYES.replace("when", "match = mid*\nwhen"), "middle", ["eyes", "middle"]),
            (TALK + EYES.replace("when = image, background", "match = mid*"), "middle", ["eyes"]),
            (TALK, "b/x", ["x"]),
            ("", "auto", []),
        ],
    )
    def test_models(self, routes: str, name: str, models: list[str]) -> None:
        """They are the first of each route, but for side jobs, and for a model that hands over in time."""
        found = conversation_models(config_of(LARGE + routes), name, lambda model: model.context_window)
        assert [model.alias for model in found] == models

    def test_windows_that_are_not_known(self) -> None:
        """A model whose window is not known may be too small at any length, and relieves no other one."""
        config = config_of(LARGE + PAGES + TALK)
        for known in ({}, {"middle": 130_000}):
            found = conversation_models(config, "auto", lambda model: known.get(model.alias))  # noqa: B023 - at once
            assert [model.alias for model in found] == ["large", "middle"]


class WhichModelTests:
    """The rules of a configuration."""

    @pytest.mark.parametrize(
        ("name", "image", "choice"),
        [
            ("air", True, Choice("air", Meant(alias="air"), "")),
            ("shop/y", True, Choice("shop/y", Meant(backend="shop", model="y"), "")),
            ("auto", True, Choice("auto", None, "eyes")),
            ("auto", False, Choice("auto", None, "default")),
        ],
    )
    def test_names_and_routes(self, name: str, image: bool, choice: Choice) -> None:
        """They know its names, its backends and its routes."""
        assert which_model(CONFIG).choose(name, FixedFacts(image=image)) == choice


class RoutedModelTests:
    """Models that only routes name."""

    def test_found(self) -> None:
        """Those of one backend, with the route; names of sections, and models that have one, are none."""
        config = config_of(
            "[backend:a]\n[backend:b]\n[model:m]\nbackend = a\nname = x\n"
            "[route:default]\nmodels = m, a/x, a/y, b/z\n[route:images]\nmodels = a/y\nwhen = image\n"
        )
        found = routed_models(config, "a")
        assert [(each.route, each.name, each.written) for each in found] == [
            ("default", "y", "a/y"),
            ("images", "y", "a/y"),
        ]
        assert found[0].models_with("v") == ("m", "a/x", "a/v", "b/z")
        assert [each.name for each in routed_models(config, "b")] == ["z"]


class SectionTests:
    """The section of a model."""

    def test_there(self) -> None:
        """A model has the section of its alias, if that is at its backend."""
        config = config_of("[backend:a]\n[backend:b]\n[model:m]\nbackend = a\n")
        assert section_of(config, config.models["m"]) == "m"
        assert section_of(config, Model(alias="m", backend="b", name="m")) == ""
        assert section_of(config, Model(alias="other", backend="a", name="other")) == ""

    def test_variable(self) -> None:
        """One that a variable has configured has none."""
        config = evolve(config_of("[backend:default]\n", {"MODEL": "m"}), source="environment with BACKEND_URL, MODEL")
        assert section_of(config, config.models["m"]) == ""
