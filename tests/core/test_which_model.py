"""Tests for `claude_bridge.core.which_model`: what a name leads to before any backend's list is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.routing import Condition, RouteTable
from claude_bridge.core.which_model import Choice, Meant, WhichModel
from claude_bridge.testing.fakes import FixedFacts
from tests.core.test_routing import Rule

NOTHING = FixedFacts()
ROUTES = RouteTable((Rule("default"), Rule("air", match=("glm-air",)), Rule("side", when=(Condition("background"),))))
WHICH = WhichModel(("GLM", "glm-air", "box/alias"), ("box", "Shop"), ROUTES)
UNROUTED = WhichModel((), ("box",), RouteTable(()))


class ChoiceTests:
    """Who names a model means it; who does not is routed."""

    @pytest.mark.parametrize(
        ("name", "facts", "meant", "route", "asks_lists"),
        [
            ("GLM", {}, Meant(alias="GLM"), "", False),
            ("glm", {}, Meant(alias="GLM"), "", False),
            ("glm", {"background": "tier haiku"}, Meant(alias="GLM"), "", False),
            ("glm-air", {}, Meant(alias="glm-air"), "air", False),
            ("GLM-Air", {}, Meant(alias="glm-air"), "air", False),
            ("box/alias", {}, Meant(alias="box/alias"), "", False),
            ("box/x/y", {"background": "tier haiku"}, Meant(backend="box", model="x/y"), "", False),
            ("shop,x", {}, Meant(backend="Shop", model="x"), "", False),
            ("elsewhere/x", {}, None, "default", True),
            ("qwen", {}, None, "default", True),
            ("qwen", {"background": "tier haiku"}, None, "side", True),
            ("auto", {}, None, "default", False),
            ("sonnet", {}, None, "default", False),
            ("claude-opus-5-5", {}, None, "default", False),
            ("claude-opus-5-5", {"background": "tier haiku"}, None, "side", False),
        ],
    )
    def test_table(self, name: str, facts: dict[str, Any], meant: Meant | None, route: str, asks_lists: bool) -> None:
        """A configured name and `backend/model` are meant, the former unless a pattern fits; all others are routed."""
        choice = WHICH.choose(name, FixedFacts(**facts))
        assert choice == Choice(name, meant, route)
        assert choice.asks_lists is asks_lists

    @pytest.mark.parametrize("name", ["claude-opus-5-5", "auto", "qwen"])
    def test_without_a_route_every_name_is_looked_up(self, name: str) -> None:
        """Where no route takes it, even one of the client's own names may be one that a backend lists."""
        choice = UNROUTED.choose(name, NOTHING)
        assert (choice, choice.asks_lists) == (Choice(name, None, ""), True)


class AutoTests:
    """The name of no model."""

    def test_only_where_there_is_a_choice(self) -> None:
        """It is worth asking for where a route has a condition or a second model, and is no model's own name."""
        assert WHICH.has_auto
        assert not UNROUTED.has_auto
        assert not WhichModel(("glm",), ("box",), RouteTable((Rule("default", models=("glm",)),))).has_auto
        assert WhichModel(("glm",), ("box",), RouteTable((Rule("default", models=("glm", "box/b")),))).has_auto
        assert not WhichModel(("AUTO",), ("box",), ROUTES).has_auto


class ExplanationTests:
    """Why the routes did what they did."""

    @pytest.mark.parametrize(
        ("name", "judged"),
        [
            ("box/x", []),
            ("glm", [("air", False), ("side", False), ("default", False)]),
            ("glm-air", [("air", True)]),
            ("auto", [("air", False), ("side", False), ("default", True)]),
        ],
    )
    def test_judgements(self, name: str, judged: list[tuple[str, bool]]) -> None:
        """The routes are judged in order up to the one that takes the request; for `backend/model` none is asked."""
        found = WHICH.explain(WHICH.choose(name, NOTHING), NOTHING)
        assert [(each.route, each.takes) for each in found] == judged
