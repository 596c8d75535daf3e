"""Tests for `claude_bridge.core.routing`: which route takes which request, and why."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.routing import LEVELS, WORDS, Condition, Judgement, RouteTable, matches
from claude_bridge.testing.fakes import FixedFacts

NOTHING = FixedFacts()


@frozen
class Rule:
    """A route as the decision sees it."""

    name: str
    match: tuple[str, ...] = ()
    when: tuple[Condition, ...] = ()
    models: tuple[str, ...] = ("m",)


DEFAULT = Rule("default")
SMALL = Rule("small", match=("haiku", "gpt-?"))
SIDE = Rule("side", when=(Condition("background"),))
LONG = Rule("long", when=(Condition("long_context", tokens=60_000),))
EYES = Rule("eyes", match=("auto",), when=(Condition("image"),))
MINE = Rule("mine", match=("GLM*",))
TABLE = RouteTable((DEFAULT, EYES, SMALL, SIDE, LONG, MINE))


class DecisionTests:
    """The decision table: name and facts -> the route, with the reason."""

    @pytest.mark.parametrize(
        ("name", "facts", "route", "reason"),
        [
            ("claude-opus-5-5", {}, "default", "takes what no other route takes"),
            ("auto", {}, "default", "takes what no other route takes"),
            ("claude-haiku-4-5-20251001", {}, "small", "match: haiku fits claude-haiku-4-5-20251001"),
            ("HAIKU", {}, "small", "match: haiku fits HAIKU"),
            ("gpt-5", {}, "small", "match: gpt-? fits gpt-5"),
            ("gpt-51", {}, "default", "takes what no other route takes"),
            ("my-haiku", {}, "default", "takes what no other route takes"),
            (
                "claude-opus-5-5",
                {"background": "the client calls it auxiliary"},
                "side",
                "when: background holds (the client calls it auxiliary)",
            ),
            ("haiku", {"background": "tier haiku"}, "small", "match: haiku fits haiku"),
            ("auto", {"image": True}, "eyes", "match: auto fits auto; when: image holds (an image)"),
            ("claude-opus-5-5", {"image": True}, "default", "takes what no other route takes"),
            ("x", {"tokens": 59_999}, "default", "takes what no other route takes"),
            ("x", {"tokens": 60_000}, "long", "when: long_context 60000 holds (about 60000 tokens)"),
            ("x", {"tokens": 60_000, "background": "tier haiku"}, "side", "when: background holds (tier haiku)"),
        ],
    )
    def test_route(self, name: str, facts: dict[str, Any], route: str, reason: str) -> None:
        """The first route that fits takes the request; the default one is last wherever it is written."""
        seen = FixedFacts(**facts)
        chosen = TABLE.choose(name, seen)
        *_, last = TABLE.explain(name, seen)
        assert chosen is not None
        assert (chosen.name, last) == (route, Judgement(route, True, reason))

    @pytest.mark.parametrize(("name", "route"), [("glm-4", "mine"), ("other", None), ("default", None)])
    def test_alias(self, name: str, route: str | None) -> None:
        """A configured name is meant, unless a pattern names it too."""
        chosen = TABLE.choose(name, FixedFacts(background="tier haiku", tokens=100_000), is_alias=True)
        assert (None if chosen is None else chosen.name) == route

    def test_why_not(self) -> None:
        """Each route that was passed over says why."""
        assert [(each.route, each.takes, each.reason) for each in TABLE.explain("glm", NOTHING)] == [
            ("eyes", False, "match: no pattern fits glm"),
            ("small", False, "match: no pattern fits glm"),
            ("side", False, "when: none of background holds (no side job of the client)"),
            ("long", False, "when: none of long_context 60000 holds (about 0 tokens)"),
            ("mine", True, "match: GLM* fits glm"),
        ]
        assert [each.reason for each in TABLE.explain("mine", NOTHING, is_alias=True)][1:4] == [
            "match: no pattern fits mine",
            "mine is a configured name, and no pattern of this route fits it",
            "mine is a configured name, and no pattern of this route fits it",
        ]

    @pytest.mark.parametrize(
        ("name", "is_alias", "routes"),
        [
            ("auto", False, ["eyes", "side", "long", "default"]),
            ("haiku", False, ["small"]),
            ("x", False, ["side", "long", "default"]),
            ("glm-4", True, ["mine"]),
            ("other", True, []),
        ],
    )
    def test_which_may_take(self, name: str, is_alias: bool, routes: list[str]) -> None:
        """A name may lead to each route that fits it under some condition, up to the one without any."""
        assert [rule.name for rule in TABLE.may_take(name, is_alias=is_alias)] == routes
        assert list(RouteTable((Rule("idle"),)).may_take(name)) == []

    def test_match_and_when_must_both_hold(self) -> None:
        """The pattern of a route is not enough where a condition is there, nor the condition without the pattern."""
        table = RouteTable((EYES,))
        assert table.choose("auto", NOTHING) is None
        assert table.choose("glm", FixedFacts(image=True)) is None
        assert list(table.explain("auto", NOTHING)) == [
            Judgement("eyes", False, "when: none of image holds (no image)")
        ]

    def test_nothing_leads_to_it(self) -> None:
        """A route without pattern and condition takes nothing, unless it is the default one."""
        assert RouteTable((Rule("idle"),)).choose("x", NOTHING) is None
        assert list(RouteTable((Rule("idle"),)).explain("x", NOTHING)) == [
            Judgement("idle", False, "it has neither match nor when")
        ]

    @given(st.sampled_from(["auto", "glm-4", "claude-haiku-4-5", "x"]), st.booleans(), st.integers(0, 10**6))
    def test_explanation_and_decision_agree(self, name: str, is_alias: bool, tokens: int) -> None:
        """What is explained is what happens."""
        facts = FixedFacts(tokens=tokens, image=bool(tokens % 2))
        chosen = TABLE.choose(name, facts, is_alias=is_alias)
        told = [each for each in TABLE.explain(name, facts, is_alias=is_alias) if each.takes]
        assert [each.route for each in told] == ([] if chosen is None else [chosen.name])


class ConditionTests:
    """The kinds of requests."""

    @pytest.mark.parametrize(
        ("condition", "holding", "not_holding"),
        [
            (Condition("background"), {"background": "tier haiku"}, {}),
            (Condition("think"), {"effort": "max"}, {"effort": "xhigh"}),
            (Condition("think"), {"thinking_budget": 1024}, {"effort": None}),
            (Condition("think", level="medium"), {"effort": "high"}, {"effort": "low"}),
            (Condition("think", level="minimal"), {"effort": "minimal"}, {"effort": "none"}),
            (Condition("long_context", tokens=10), {"tokens": 10}, {"tokens": 9}),
            (Condition("web_search"), {"web_search": True}, {}),
            (Condition("image"), {"image": True}, {}),
            (Condition("subagent"), {"subagent": True}, {}),
            (Condition("plan"), {"permission_mode": "plan"}, {"permission_mode": "acceptEdits"}),
        ],
    )
    def test_holds(self, condition: Condition, holding: dict[str, Any], not_holding: dict[str, Any]) -> None:
        """Each holds for its own kind and for no other."""
        assert condition.holds(FixedFacts(**holding))
        assert not condition.holds(FixedFacts(**not_holding))
        assert condition.observed(FixedFacts(**holding)) != condition.observed(FixedFacts(**not_holding))

    def test_any_of_several(self) -> None:
        """Of several conditions one is enough."""
        table = RouteTable((evolve(SIDE, when=(Condition("image"), Condition("plan"))),))
        assert table.choose("x", FixedFacts(permission_mode="plan")) is not None
        assert table.choose("x", NOTHING) is None

    def test_words(self) -> None:
        """A condition is written as it is read."""
        assert [str(Condition(word, tokens=5)) for word in WORDS] == [
            *("background", "think", "long_context 5", "web_search", "image", "subagent", "plan"),
        ]
        assert str(Condition("think", level="low")) == "think low"
        assert LEVELS[-1] == "max"

    @pytest.mark.parametrize(("pattern", "name"), [("*", "x"), ("A?", "ab"), ("[ab]c", "bc"), ("sonnet", "Sonnet")])
    def test_pattern(self, pattern: str, name: str) -> None:
        """Patterns are those of a shell, in any case."""
        assert matches(pattern, name)
        assert not matches(pattern, "zz/1") or pattern == "*"
