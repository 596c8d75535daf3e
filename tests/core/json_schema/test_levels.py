"""Tests for `claude_bridge.core.json_schema.levels`.

What each level makes of each construct that servers refuse.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from claude_bridge.core.json_schema.levels import SchemaLevel
from claude_bridge.core.json_schema.sanitising import sanitised
from tests.core.json_schema.test_sanitising import WELL_FORMED, at, raw

ANYTHING = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "array", "object")]}


def inside(level: SchemaLevel, schema: object, **root: Any) -> Any:
    """Return what becomes of a schema that is a property's."""
    return at(level, {"type": "object", "properties": {"x": schema}, **root})["properties"]["x"]


class BasicTests:
    """Without what names the document."""

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "string", "$id": "x", "format": "uri"}, {"type": "string", "format": "uri"}),
            ({"properties": {"$id": {"type": "string"}}}, {"properties": {"$id": {"type": "string"}}}),
            (True, {}),
            (False, {"not": {}}),
            ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, {"type": "integer", "minimum": 0}),
            ({"type": "string", "required": True}, {"type": "string"}),
            ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
            ({"enum": [{"$schema": "stays"}]}, {"enum": [{"$schema": "stays"}]}),
            ({"default": {"$id": "stays"}}, {"default": {"$id": "stays"}}),
        ],
    )
    def test_inside(self, schema: object, expected: object) -> None:
        """Only keywords are touched, never a property's name nor a value."""
        assert inside("basic", schema) == expected

    @pytest.mark.parametrize("schema", [{}, {"$schema": "x"}, {"properties": None}, {"properties": {}}])
    def test_root(self, schema: object) -> None:
        """The root is an object with properties."""
        assert at("basic", schema) == {"type": "object", "properties": {}}

    def test_told(self) -> None:
        """What went is told."""
        assert sanitised(raw({"$schema": "x", "properties": {"a": {"$id": "y"}}}), "basic").dropped_keywords == {
            "$schema",
            "$id",
        }


class MistralTests:
    """Without what Mistral's API refuses."""

    def test_inside(self) -> None:
        """The four keys go at every depth, and nothing else."""
        schema = {"type": "object", "additionalProperties": False, "strict": True, "properties": {"strict": {}}}
        assert inside("mistral", schema) == {"type": "object", "properties": {"strict": {}}}


class MoonshotTests:
    """As Moonshot's validator wants it; each case is a refusal that users reported."""

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            # "when using anyOf, type should be defined in anyOf items instead of the parent schema"
            (
                {"type": "string", "description": "d", "anyOf": [{"minLength": 1}, {"type": "string"}]},
                {"description": "d", "anyOf": [{"type": "string", "minLength": 1}, {"type": "string"}]},
            ),
            # the branches of an object need its properties, too (llm-for-zotero 420)
            (
                {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {}]},
                {
                    "anyOf": [
                        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                        {"type": "object", "properties": {"a": {"type": "string"}}},
                    ]
                },
            ),
            (
                {"type": ["string", "null"], "enum": ["a", None], "description": "d"},
                {"description": "d", "anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
            ),
            ({"type": ["string"]}, {"type": "string"}),
            # "items must be an object"
            (
                {"type": "array", "items": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
                {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
            ),
            # "property schema for 'outputSchema' must be an object" (oh-my-pi 5952)
            (True, ANYTHING),
            # "type is not defined" (pi 4138)
            ({"description": "d"}, {"description": "d", **ANYTHING}),
            ({"properties": {}}, {"properties": {}, "type": "object"}),
            ({"enum": ["a"]}, {"enum": ["a"]}),
            # "conflicting keywords found after $ref expansion: description" (kimi-cli 2061)
            ({"$ref": "#/$defs/n", "description": "d"}, {"$ref": "#/$defs/n"}),
            # "#/definitions/" is not found (veryfront-code 2694)
            ({"$ref": "#/definitions/n"}, {"$ref": "#/$defs/n"}),
        ],
    )
    def test_inside(self, schema: object, expected: object) -> None:
        """Each construct that is refused is written in the way that is not."""
        assert inside("moonshot", schema) == expected

    def test_definitions(self) -> None:
        """Definitions are where references lead."""
        schema = {"properties": {}, "definitions": {"n": {"type": "string", "$id": "x"}}, "$defs": {"m": {"enum": [1]}}}
        assert at("moonshot", schema)["$defs"] == {"n": {"type": "string"}, "m": {"enum": [1]}}

    def test_root_of_alternatives(self) -> None:
        """Alternative lists of arguments become one list that has them all ("At path 'root'", kimi-code 2661)."""
        schema = {
            "type": "object",
            "anyOf": [
                {"properties": {"file": {"type": "string"}, "text": {"type": "string"}}, "required": ["file", "text"]},
                {"properties": {"file": {"type": "string"}, "url": {"type": "string"}}, "required": ["file", "url"]},
            ],
        }
        assert at("moonshot", schema) == {
            "type": "object",
            "properties": {"file": {"type": "string"}, "text": {"type": "string"}, "url": {"type": "string"}},
            "required": ["file"],
        }


class GeminiTests:
    """Google's subset of OpenAPI 3.0."""

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
            ({"type": "number", "exclusiveMaximum": 1.5}, {"type": "number", "maximum": 1.5}),
            ({"type": "integer", "minimum": 0, "exclusiveMinimum": 5}, {"type": "integer", "minimum": 6}),
            ({"type": "integer", "maximum": 3, "exclusiveMaximum": 5}, {"type": "integer", "maximum": 3}),
            ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, {"type": "integer", "minimum": 0}),
            ({"const": "a"}, {"type": "string", "enum": ["a"]}),
            ({"const": 1}, {"type": "integer"}),
            ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
            ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
            ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
            ({"oneOf": [{"const": "a"}, {"type": "null"}]}, {"type": "string", "enum": ["a"], "nullable": True}),
            (
                {"description": "d", "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
                {
                    "anyOf": [
                        {"description": "d", "nullable": True, "type": "string"},
                        {"description": "d", "nullable": True, "type": "integer"},
                    ]
                },
            ),
            ({"type": "string", "format": "uri"}, {"type": "string"}),
            ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
            ({"type": "integer", "format": "int64"}, {"type": "integer", "format": "int64"}),
            ({"type": "object", "propertyNames": {}, "additionalProperties": {}, "patternProperties": {}},
             {"type": "object"}),
            ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
            (
                {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
                {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            ),
            ({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
             {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
            ({"type": "object", "required": ["b"]},
             {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}),
            ({}, {"type": "string"}),
            ({"$ref": "https://example.com/other.json", "description": "d"}, {"type": "string", "description": "d"}),
            ({"$ref": "#anchor"}, {"type": "string"}),
        ],
    )  # fmt: skip
    def test_inside(self, schema: object, expected: object) -> None:
        """Each construct that is refused is written in the way that is not."""
        assert inside("gemini", schema) == expected

    def test_references(self) -> None:
        """A reference is written out, with the words beside it; one that leads back ends in its type."""
        node = {
            "type": "object",
            "description": "a node",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/a~1b"}, {"type": "null"}]}, "v": {"type": "number"}},
        }
        schema = {"$ref": "#/$defs/a~1b", "description": "first"}
        assert inside("gemini", schema, **{"$defs": {"a/b": node}}) == {
            "type": "object",
            "description": "first",
            "properties": {"next": {"type": "object", "nullable": True}, "v": {"type": "number"}},
        }

    @given(schema=WELL_FORMED)
    def test_vocabulary(self, schema: Any) -> None:
        """Nothing comes out that Google does not know, or whose neighbours it refuses."""
        known = {
            "type", "format", "title", "description", "nullable", "enum", "items", "anyOf", "maxItems", "minItems",
            "properties", "required", "minimum", "maximum", "minLength", "maxLength", "pattern", "default",
        }  # fmt: skip
        nodes = [at("gemini", schema)]
        while nodes:
            node = nodes.pop()
            assert node.keys() <= known
            assert "anyOf" not in node or node.keys() == {"anyOf"}
            assert isinstance(node.get("type", ""), str)
            nodes += [*node.get("properties", {}).values(), *node.get("anyOf", []), *filter(None, [node.get("items")])]


class BareTests:
    """Nothing but what every server takes."""

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": "string", "pattern": "^\\d+$", "title": "T", "description": "d"},
             {"type": "string", "description": "d"}),
            # llama.cpp: "Unrecognized schema: {"description": ...}"; Fireworks likewise
            ({"description": "d"}, {"type": "string", "description": "d"}),
            ({"type": ["null", "integer"]}, {"type": "integer"}),
            ({"enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
            ({"enum": ["a", 1]}, {"type": "string", "enum": ["a"]}),
            ({"type": "number", "enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}),
            ({"const": 3}, {"type": "integer", "enum": [3]}),
            ({"anyOf": [{"type": "null"}, {"type": "boolean"}, {"type": "string"}]}, {"type": "boolean"}),
            ({"oneOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
                        {"type": "object", "properties": {"a": {"const": 2}, "b": {}}, "required": ["a", "b"]}]},
             {"type": "object", "required": ["a"],
              "properties": {"a": {"type": "integer", "enum": [1]}, "b": {"type": "string"}}}),
            ({"type": "array", "minItems": 1}, {"type": "array", "items": {"type": "string"}}),
            ({"prefixItems": [{"type": "integer"}, {}]}, {"type": "array", "items": {"type": "integer"}}),
            ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "object", "properties": {}}),
            ({"type": "string", "properties": {"a": {}}, "items": {}}, {"type": "string"}),
            ({"if": {}, "then": {}, "not": {}, "type": "boolean"}, {"type": "boolean"}),
        ],
    )  # fmt: skip
    def test_inside(self, schema: object, expected: object) -> None:
        """What remains has one type and only the six keys."""
        assert inside("bare", schema) == expected

    @given(schema=WELL_FORMED)
    def test_vocabulary(self, schema: Any) -> None:
        """Every node has a type, as a word, and nothing beside the six keys."""
        nodes = [at("bare", schema)]
        while nodes:
            node = nodes.pop()
            assert node.keys() <= {"type", "description", "properties", "required", "items", "enum"}
            assert isinstance(node["type"], str)
            nodes += [*node.get("properties", {}).values(), *filter(None, [node.get("items")])]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["a", "b", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


class MeaningTests:
    """Instances, judged by a validator of others."""

    @given(schema=WELL_FORMED, value=st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))
    def test_basic_means_the_same(self, schema: Any, value: Any) -> None:
        """At the level ``basic`` just the same arguments are valid."""
        assume("allOf" not in json.dumps(schema))  # a reference in a loop of these is undefined
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        original = jsonschema_rs.validator_for(_plain(schema), offline=True, validate_formats=False)
        shaped = jsonschema_rs.Draft7Validator(at("basic", schema), offline=True, validate_formats=False)
        assert original.is_valid(value) == shaped.is_valid(value)

    LEAF = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"enum": ["a", "b"]}])
    STRUCTURE = st.recursive(
        LEAF,
        lambda inner: (
            st.builds(
                lambda properties, count: {
                    "type": "object", "properties": properties, "required": list(properties)[:count]
                },
                st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
                st.integers(0, 2),
            )
            | st.builds(lambda items: {"type": "array", "items": items}, inner)
        ),
        max_leaves=6,
    )  # fmt: skip

    @given(
        structure=st.dictionaries(st.sampled_from("abc"), STRUCTURE, max_size=3),
        value=st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
        level=st.sampled_from(["basic", "mistral", "moonshot", "gemini", "bare"]),
    )
    def test_structure_means_the_same(self, structure: Any, value: Any, level: SchemaLevel) -> None:
        """Types, properties, required names, lists and enumerations mean the same at every level."""
        schema = {"type": "object", "properties": structure}
        validator = jsonschema_rs.Draft202012Validator
        assert validator(schema).is_valid(value) == validator(at(level, schema)).is_valid(value)


def _plain(schema: Any) -> Any:
    """Take out what only says which document this is."""
    return json.loads(json.dumps(schema).replace('"$schema": "x"', '"title": "x"'))
