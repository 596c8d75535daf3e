"""Version 3's rules."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from tests.importers.claude_code_router.asking import lost, told, with_box


def with_rule(**rule: Any) -> ImportedConfiguration:
    """Return the draft of a config.json with one rule."""
    usual = {"id": "r", "name": "My rule", "enabled": True, "type": "condition", "target": "box/n"}
    return with_box(Router={"default": "box,m", "rules": [{**usual, **rule}]})


def condition(left: str, operator: str, right: str) -> dict[str, str]:
    """Return a condition."""
    return {"left": f"request.body.{left}", "operator": operator, "right": right}


class ConditionTests:
    """When a rule holds."""

    @pytest.mark.parametrize(
        ("rule", "match", "when"),
        [
            ({"condition": condition("model", "==", "x")}, ("x",), ()),
            ({"condition": condition("model", "starts-with", "claude-")}, ("claude-*",), ()),
            ({"condition": condition("model", "contains", "'opus'")}, ("*opus*",), ()),
            ({"type": "model-prefix", "pattern": "gpt-"}, ("gpt-*",), ()),
            ({"condition": condition("messages", "contains-deep", "image")}, (), ("image",)),
            ({"condition": condition("tools", "contains-deep", "web_search")}, (), ("web_search",)),
        ],
    )
    def test_known(self, rule: dict[str, Any], match: tuple[str, ...], when: tuple[str, ...]) -> None:
        """Patterns of names and kinds of requests are routes, in front of all others."""
        route = with_rule(**rule).routes[0]
        assert (route.name, route.match, route.when, route.models) == ("My-rule", match, when, ("n",))

    @pytest.mark.parametrize(
        "rule",
        [
            {"condition": condition("model", "!=", "x")},
            {"condition": condition("model", "==", "a b")},
            {"condition": condition("model", "starts-with", "")},
            {"condition": condition("temperature", ">", "1")},
            {"type": "model-prefix"},
        ],
    )
    def test_unknown(self, rule: dict[str, Any]) -> None:
        """Other conditions are reported, and there is no such route."""
        draft = with_rule(**rule)
        assert lost(draft) == ["Router.rules[0].condition"]
        assert [each.name for each in draft.routes] == ["default"]

    def test_script_and_switch(self) -> None:
        """A script is lost; a rule that is switched off is not."""
        assert lost(with_rule(type="script", script={"file": "x.js"})) == ["Router.rules[0]"]
        assert not told(with_rule(enabled=False), "Router.rules[0]").lost


MODEL = condition("model", "starts-with", "x")


class TargetTests:
    """Where a rule leads."""

    @pytest.mark.parametrize(
        "rule",
        [
            {"target": "box/n"},
            {"target": None, "rewrite": {"key": "request.body.model", "operation": "set", "value": "'box/n'"}},
            {"target": None, "rewrites": [{"key": "request.body.model", "value": "box/n"}]},
        ],
    )
    def test_forms(self, rule: dict[str, Any]) -> None:
        """All forms lead to the model."""
        assert with_rule(condition=MODEL, **rule).routes[0].models == ("n",)

    def test_nowhere(self) -> None:
        """A rule that leads nowhere is reported."""
        assert lost(with_rule(condition=MODEL, target=None)) == ["Router.rules[0]"]
        assert lost(with_rule(condition=MODEL, target="gone/x")) == ["Router.rules[0].target"]

    def test_other_changes(self) -> None:
        """Whatever else a rule changes in a request is lost."""
        rewrites = [{"key": "request.body.temperature", "value": "0"}]
        assert lost(with_rule(condition=MODEL, rewrites=rewrites)) == ["Router.rules[0].rewrites[0]"]


class FallbackTests:
    """Models that stand in."""

    @pytest.mark.parametrize(
        ("of_rule", "models"),
        [
            (None, ("n", "m")),
            ({"mode": "off"}, ("n",)),
            ({"mode": "model-chain", "models": ["box/m"]}, ("n", "m")),
            ({"mode": "retry", "retryCount": 2}, ("n",)),
        ],
    )
    def test_rule_wins(self, of_rule: object, models: tuple[str, ...]) -> None:
        """That of the rule counts more than that of all; without it the latter holds."""
        rule = {"id": "r", "type": "condition", "condition": MODEL, "target": "box/n", "fallback": of_rule}
        fallback = {"mode": "model-chain", "models": ["box/m"]}
        draft = with_box(Router={"default": "box,n", "rules": [rule], "fallback": fallback})
        assert [each.models for each in draft.routes] == [models, ("n", "m")]
