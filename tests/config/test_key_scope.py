"""Promises of scopes: which models and routes a client's key may use."""

from __future__ import annotations

import pytest

from claude_bridge.config.key_scope import KeyScope, KeyScopes
from tests.config.files import config_of

TEAM = """
[server]
credentials = keys
[backend:box]
url = http://box/v1
[backend:shop]
url = http://shop/v1
[model:glm]
backend = box
name = zai/GLM-4
[model:GLM-think]
backend = box
name = zai/glm-4
[model:opus]
backend = shop
name = big
[route:think]
models = opus, glm
when = think
[route:side]
models = opus
when = background
[route:default]
models = shop/small, glm
[key:all]
secret = a
"""


def scope(limits: str, client: str = "k") -> KeyScope:
    """Return the scope of a key with these limits."""
    return KeyScopes(config_of(f"{TEAM}[key:k]\nsecret = k\n{limits}")).of(client)


def routes(found: KeyScope) -> dict[str, tuple[str, ...]]:
    """Return the models of the routes that may be taken."""
    return {name: route.models for name, route in found.config.routes.items()}


class ModelTests:
    """Models."""

    @pytest.mark.parametrize("client", ["all", "", "nobody"])
    def test_any(self, client: str) -> None:
        """A key without limits, and a client without a key, may use everything."""
        found = scope("models = glm\n", client)
        assert found.allows("shop", "big")
        assert list(routes(found)) == ["think", "side", "default"]

    @pytest.mark.parametrize("written", ["glm", "GLM", "box/zai/GLM-4", "box,x, glm", "g?m", "box/*", "*zai/*", "glm*"])
    def test_by_any_of_its_names(self, written: str) -> None:
        """A model may be used whether the key names it by its section, by its backend or by a pattern."""
        found = scope(f"models = {written.replace('box,x,', 'box/x,')}\n")
        assert found.allows("box", "zai/GLM-4")
        assert found.allows("box", "ZAI/glm-4")
        assert not found.allows("shop", "zai/GLM-4") or written == "*zai/*"
        assert not found.allows("shop", "big")

    def test_letters_of_patterns(self) -> None:
        """Only * and ? stand for others, and a pattern fits a whole name."""
        found = scope("models = box/x[1]*, b?x/exact\n")
        assert found.allows("box", "X[1]-long")
        assert not found.allows("box", "x1-long")
        assert found.allows("box", "exact")
        assert not found.allows("box", "exactly")

    def test_names_of_families_are_no_patterns(self) -> None:
        """What a route's `match` has for a family of the client's names is the name of a model here."""
        assert not scope("models = opus\n").allows("box", "claude-opus-5")


class RouteTests:
    """Routes."""

    def test_models_of_routes(self) -> None:
        """A route keeps the models that may be used, in order; one that keeps none is not taken."""
        assert routes(scope("models = glm\n")) == {"think": ("glm",), "default": ("glm",)}
        assert routes(scope("models = shop/*\n")) == {"think": ("opus",), "side": ("opus",), "default": ("shop/small",)}

    def test_named_routes(self) -> None:
        """Only the routes that the key names are taken, in the order of the file."""
        assert list(routes(scope("routes = default, think\n"))) == ["think", "default"]
        assert routes(scope("routes = side, default\nmodels = glm\n")) == {"default": ("glm",)}

    def test_conditions(self) -> None:
        """Whether requests are looked at follows from the routes that are left."""
        assert scope("routes = think\n").has_conditions
        assert not scope("routes = default\n").has_conditions


class RefusalTests:
    """The error for what may not be used."""

    def test_text(self) -> None:
        """It is a 404 that no client repeats, with an outcome of its own, and names the key and what it may use."""
        error = scope("models = glm, box/*\nroutes = think\n").refusal("big")
        assert (error.status, error.kind, error.should_retry) == (404, "not_found_error", False)
        assert error.outcome == "not_allowed"
        assert error.message == (
            "model: big leads to nothing that the key k may use, which is limited to the models glm, box/* and the "
            "routes think"
        )
