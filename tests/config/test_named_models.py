"""Tests for `claude_bridge.config.named_models`."""

from __future__ import annotations

import pytest

from claude_bridge.config.named_models import NamedModels, first_models, which_model
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


class FirstModelTests:
    """The models that a routed name may lead to first."""

    def test_of_each_route(self) -> None:
        """Each route that may take the name has one; a route for other names has none."""
        assert [(model.backend, model.name) for model in first_models(CONFIG, "auto")] == [
            ("shop", "x"),
            ("box", "GLM-Air"),
        ]
        assert first_models(config_of("[backend:b]\n"), "auto") == ()


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
