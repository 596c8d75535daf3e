"""Tests for `claude_bridge.core.json_schema.walk`: where subschemas are and where references lead."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.json_schema.walk import Node, SchemaTooLarge, Walk, join_both, union_of_objects


def seen(schema: Node) -> list[Any]:
    """Return the titles of all subschemas that a walk comes to."""
    titles: list[Any] = []

    def note(walk: Walk, node: Node, depth: int) -> Node:
        titles.append(node.get("title"))
        return walk.sanitise_children(node, depth)

    Walk(schema, note).sanitise(schema, 0)
    return titles


class WalkTests:
    """Where subschemas are."""

    @pytest.mark.parametrize(
        "place",
        ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"],
    )
    def test_maps(self, place: str) -> None:
        """The values of these keys are schemas, whatever they are called."""
        assert seen({"title": 0, place: {"enum": {"title": 1}, "x": {"title": 2}}}) == [0, 1, 2]

    @pytest.mark.parametrize("place", ["allOf", "anyOf", "oneOf", "prefixItems", "items"])
    def test_lists(self, place: str) -> None:
        """The parts of these keys are schemas."""
        assert seen({"title": 0, place: [{"title": 1}, {"title": 2}]}) == [0, 1, 2]

    @pytest.mark.parametrize("place", ["additionalProperties", "items", "not", "if", "then", "else", "contains"])
    def test_singles(self, place: str) -> None:
        """These keys are schemas themselves."""
        assert seen({"title": 0, place: {"title": 1}}) == [0, 1]

    @pytest.mark.parametrize("place", ["enum", "const", "default", "examples", "x-novel"])
    def test_values(self, place: str) -> None:
        """What looks like a schema inside a value is none."""
        assert seen({"title": 0, place: [{"title": 1}]}) == [0]

    def test_too_deep(self) -> None:
        """A schema deeper than any that is meant well is given up."""
        schema: Node = {}
        for _ in range(100):
            schema = {"items": schema}
        with pytest.raises(SchemaTooLarge):
            seen(schema)


class JoinTests:
    """Two schemas as one."""

    def test_both(self) -> None:
        """What both ask for is asked for; the first has the last word."""
        one = {"title": "1", "properties": {"a": 1}, "required": ["a"]}
        other = {"title": "2", "type": "object", "properties": {"a": 2, "b": 3}, "required": ["b", "a"]}
        joined = {"title": "1", "type": "object", "properties": {"a": 1, "b": 3}, "required": ["a", "b"]}
        assert join_both(one, other) == joined

    def test_either(self) -> None:
        """What either has may be there, and what each requires must."""
        nodes: list[Node] = [
            {"properties": {"a": 1, "b": 2}, "required": ["a", "b"]},
            {"properties": {"a": 3}, "required": ["a"]},
        ]
        assert union_of_objects(nodes) == {"type": "object", "properties": {"a": 1, "b": 2}, "required": ["a"]}
        assert union_of_objects([]) == {"type": "object", "properties": {}}
