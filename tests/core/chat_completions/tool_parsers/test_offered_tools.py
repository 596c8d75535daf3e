"""Tests for `claude_bridge.core.chat_completions.tool_parsers.offered_tools`."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.chat_completions.tool_parsers.offered_tools import MAX_BRANCHES, Tools, parse_as
from claude_bridge.core.strict_json import Raw


def typed(schema: object, text: str) -> object:
    """Type a value by a property's schema."""
    others = {"List": {"type": "array"}, "Loop": {"$ref": "#/$defs/Loop"}, "a/b": {"type": "integer"}}
    whole = {"properties": {"key": schema}, "$defs": others}
    return Tools(("f",), {"f": Raw(json.dumps(whole).encode())}).convert_value("f", "key", text)


class ToolsTests:
    """Values that were written without quotes."""

    @pytest.mark.parametrize(
        ("schema", "text", "value"),
        [
            ({"type": "integer"}, "5", 5),
            ({"type": "integer"}, " 5\n", 5),
            ({"type": "integer"}, "5.0", 5.0),
            ({"type": "integer"}, "5.5", "5.5"),
            ({"type": "number"}, "5", 5),
            ({"type": "number"}, "5.5", 5.5),
            ({"type": "number"}, "true", "true"),
            ({"type": "boolean"}, "true", True),
            ({"type": "boolean"}, "False", False),
            ({"type": "boolean"}, "1", "1"),
            ({"type": "array"}, "[1]", [1]),
            ({"type": "object"}, '{"a": 1}', {"a": 1}),
            ({"type": "object"}, "[1]", "[1]"),
            ({"type": "string"}, "5", "5"),
            ({"type": ["string", "integer"]}, "5", "5"),
            ({"type": ["string", "null"]}, "null", None),
            ({"type": ["integer", "null"]}, "None", None),
            ({"type": ["integer", "null"]}, "5", 5),
            ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "5", 5),
            ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, "5", "5"),
            ({"allOf": [{"$ref": "#/$defs/List"}]}, "[1]", [1]),
            ({"$ref": "#/$defs/Nothing"}, "5", "5"),
            ({"$ref": "#/$defs/a~1b"}, "5", 5),
            ({"$ref": "#/$defs/Loop"}, "5", "5"),
            ({"enum": [5]}, "5", "5"),
            ({}, "5", "5"),
            (True, "5", "5"),
            ({"type": {"a": 1}}, "5", "5"),
            ({"type": [1, None]}, "5", "5"),
        ],
    )
    def test_typed(self, schema: object, text: str, value: object) -> None:
        """A value takes a type only where the schema names it and the value fits it."""
        found = typed(schema, text)
        assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize("schema", [b"{}", b"[]", b"no JSON", b'{"properties": 1}', b'{"properties": {}}'])
    def test_odd_schemas(self, schema: bytes) -> None:
        """A schema that says nothing leaves text as it is."""
        assert Tools(("f",), {"f": Raw(schema)}).convert_value("f", "key", "5") == "5"
        assert Tools(("f",)).convert_value("f", "key", "5") == "5"

    def test_bounded(self) -> None:
        """A schema made of endless alternatives costs no more than a real one."""
        assert typed({"anyOf": [{"$ref": "#/properties/key"}] * MAX_BRANCHES}, "5") == "5"
        assert typed({"anyOf": [{}] * MAX_BRANCHES + [{"type": "integer"}]}, "5") == "5"


class ReadAsTests:
    """Values whose type is told on the wire."""

    def test_any(self) -> None:
        """Any JSON is read, and what is none is text."""
        assert parse_as((), " 1e2 ") == 100.0
        assert parse_as((), "None") is None
        assert parse_as((), "many ") == "many "
