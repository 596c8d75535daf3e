"""Tests for `claude_bridge.importers.litellm.patterns`."""

from __future__ import annotations

import pytest

from claude_bridge.core.routing import matches
from claude_bridge.importers.litellm.deployment import Deployment, Place
from claude_bridge.importers.litellm.patterns import (
    Patterns,
    as_match,
    backend_named,
    exactly,
    most_specific_first,
)
from claude_bridge.importers.text import plain

PLACE = Place(hint="box", url=plain("http://box/v1"))


def deployment(group: str, model: str) -> Deployment:
    """Return an entry."""
    return Deployment(path="model_list[0]", group=group, model=model, place=PLACE)


class MatchTests:
    """Patterns of routes."""

    @pytest.mark.parametrize("name", ["glm", "a[b]?*c", "opus", "Sonnet", "[x", "openai/gpt-4"])
    def test_exactly(self, name: str) -> None:
        """The pattern fits the name and nothing else."""
        assert matches(exactly(name), name)
        assert not matches(exactly(name), f"claude-{name}-4-5")
        assert not matches(exactly(name), f"{name}x")

    @pytest.mark.parametrize(
        ("pattern", "fits", "not_"),
        [("claude-*", "claude-x", "xclaude-"), ("*opus*", "my-opus-5", "sonnet"), ("a?*", "a?b", "axb")],
    )
    def test_as_match(self, pattern: str, fits: str, not_: str) -> None:
        """A star stands for anything, everything else for itself."""
        assert matches(as_match(pattern), fits)
        assert not matches(as_match(pattern), not_)


class ServedTests:
    """Names that a pattern serves."""

    def test_longest_first(self) -> None:
        """The longest pattern is tried first."""
        assert most_specific_first(["*", "openai/*", "openai/gpt-*"]) == ["openai/gpt-*", "openai/*", "*"]

    @pytest.mark.parametrize(
        ("name", "models"),
        [("openai/gpt-5", ["gpt-5"]), ("llm::a::b", ["x-a-y-b"]), ("fixed-1", ["one"]), ("other", [])],
    )
    def test_model(self, name: str, models: list[str]) -> None:
        """What a star found is put where the model has one."""
        patterns = {
            "openai/*": [deployment("openai/*", "*")],
            "llm::*::*": [deployment("llm::*::*", "x-*-y-*")],
            "fixed-*": [deployment("fixed-*", "one")],
        }
        found = [*Patterns(patterns).serving(name)]
        assert [each.model for each in found] == models
        assert all(each.group == name for each in found)

    def test_first_of_several(self) -> None:
        """Of the patterns that fit the most specific serves a name, wherever its star stands."""
        patterns = {each: [deployment(each, each.strip("*"))] for each in ("*", "g*", "*pt5", "gp*")}
        served = [[each.model for each in Patterns(patterns).serving(name)] for name in ("gpt5", "my-gpt5", "x", "g5")]
        assert served == [["pt5"], ["pt5"], [""], ["g"]]


class BackendTests:
    """How a backend must be called for a pattern's names to lead to it."""

    @pytest.mark.parametrize(
        ("pattern", "model", "name"),
        [
            ("*", "*", "default"),
            ("claude-*", "claude-*", "default"),
            ("openai/*", "*", "openai"),
            ("anthropic/claude-*", "claude-*", "anthropic"),
            ("grok-*", "grok-*", "default"),
            ("my-*", "*", None),
            ("a b/*", "*", None),
            ("*/x", "*", None),
            ("a/*/b/*", "*-*", None),
            ("x/*", "vendor/*", None),
        ],
    )
    def test_name(self, pattern: str, model: str, name: str | None) -> None:
        """`default` takes every name as it is, another one what follows its own name and a slash."""
        assert backend_named(pattern, model) == name
