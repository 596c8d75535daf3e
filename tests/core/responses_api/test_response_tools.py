"""Tests for `claude_bridge.core.responses_api.response_tools`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.responses_api.traits import ToolChoices
from claude_bridge.core.tool_names import upstream_name
from tests.core.asking import tool, user
from tests.core.responses_api.asking import TARGET, sent, translate

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


class DefinitionTests:
    """What becomes of a definition."""

    def test_flat(self) -> None:
        """A tool is no object inside another; its schema is byte for byte the client's."""
        schema = {"type": "object", "properties": {"b": {}, "a": {}}}
        (one,) = sent(user("hi"), tools=[tool("Read", input_schema=schema)])["tools"]
        assert one == {
            "type": "function", "name": "Read", "description": "Does Read.", "strict": False, "parameters": schema,
        }  # fmt: skip

    @pytest.mark.parametrize(("asked", "schema", "expected"), [
        (True, CLOSED, True), (True, {"type": "object", "properties": {"a": {}}}, False), (None, CLOSED, False),
    ])  # fmt: skip
    def test_strict(self, asked: object, schema: object, expected: bool) -> None:
        """``strict`` is always said, as a missing one means true, and is true only where the schema allows it."""
        (one,) = sent(user("hi"), tools=[tool("a", input_schema=schema, strict=asked)])["tools"]
        assert one["strict"] is expected

    def test_strict_unknown(self) -> None:
        """A server that does not know it gets none."""
        (one,) = sent(user("hi"), tools=[tool("a")], target=evolve(TARGET, strict=False))["tools"]
        assert "strict" not in one

    def test_names(self) -> None:
        """A name that is not legal there is replaced, and mapped back in the answer; a second of a name is dropped."""
        translated = translate(user("hi"), tools=[tool("a.b"), tool("a.b")])
        assert translated.tool_names == {upstream_name("a.b"): "a.b"}
        assert len(translated.fields.tools or ()) == 1

    def test_reduced(self) -> None:
        """A schema is reduced as far as the server needs it."""
        schema = {"$schema": "x", "type": "object", "properties": {}}
        translated = translate(
            user("hi"), tools=[tool("a", input_schema=schema)], target=evolve(TARGET, schema="basic")
        )
        assert translated.dropped_keywords == {"$schema"}


class ChoiceTests:
    """Which tool must be called."""

    @pytest.mark.parametrize(
        ("form", "choice", "expected"),
        [
            ("named", {"type": "tool", "name": "b"}, {"name": "b", "type": "function"}),
            ("named", {"type": "any"}, "required"),
            ("named", {"type": "none"}, "none"),
            ("required", {"type": "tool", "name": "b"}, "required"),
            ("auto", {"type": "any"}, "auto"),
            ("none", {"type": "any"}, None),
        ],
    )
    def test_forms(self, form: ToolChoices, choice: dict[str, Any], expected: object) -> None:
        """The strongest form that the server takes."""
        request = sent(
            user("hi"), target=evolve(TARGET, tool_choice=form), tools=[tool("a"), tool("b")], tool_choice=choice
        )
        assert request.get("tool_choice") == expected

    def test_told(self) -> None:
        """A model that cannot be forced is told, behind everything that may be cached."""
        request = sent(
            user("hi"), target=evolve(TARGET, tool_choice="auto"), tools=[tool("a")], tool_choice={"type": "any"}
        )
        assert request["input"][-1]["content"] == "hi\n\nYou must call one of your tools now."

    @pytest.mark.parametrize(("disabled", "expected"), [(True, False), (False, None)])
    def test_parallel(self, disabled: bool, expected: object) -> None:
        """A client that wants one call at a time gets that passed on."""
        choice = {"type": "auto", "disable_parallel_tool_use": disabled}
        assert sent(user("hi"), tools=[tool("a")], tool_choice=choice).get("parallel_tool_calls") is expected
