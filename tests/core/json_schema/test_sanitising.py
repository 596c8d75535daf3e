"""Tests for `claude_bridge.core.json_schema.sanitising`.

Levels as a whole, what is bounded and what is remembered.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.json_schema import sanitising
from claude_bridge.core.json_schema.levels import SchemaLevel
from claude_bridge.core.json_schema.sanitising import (
    MAX_CACHED_BYTES,
    MAX_CACHED_SCHEMAS,
    MAX_SCHEMA_BYTES,
    SCHEMA_CACHE,
    STEP,
    SanitisingWork,
    SchemaCache,
    is_strict,
    sanitised,
)
from claude_bridge.core.strict_json import Raw

LEVELS = [level for level in get_args(SchemaLevel) if level != "none"]
ANY_LEVEL = st.sampled_from(LEVELS)


def raw(schema: object) -> Raw:
    """Encode a schema."""
    return Raw(json.dumps(schema).encode())


def at(level: SchemaLevel, schema: object) -> Any:
    """Return a schema at a level."""
    return json.loads(bytes(sanitised(raw(schema), level).schema))


NAMES = st.sampled_from(["a", "b", "c", "$id", "type", "additionalProperties"])
NOISE = st.fixed_dictionaries(
    {}, optional={"description": st.just("said"), "title": st.just("T"), "$schema": st.just("x"), "default": st.none()}
)


def _noisy(schemas_: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    return st.builds(lambda schema, noise: {**noise, **schema}, schemas_, NOISE)


LEAVES = _noisy(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "enum": ["a", "b"]},
            {"type": "string", "format": "uri", "pattern": "^a"},
            {"type": "string", "const": "a"},
            {"type": "integer", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 1, "exclusiveMaximum": 9},
            {"type": "integer", "enum": [1, 2]},
            {"type": "boolean"},
            {"type": ["string", "null"], "enum": ["a", None]},
            {"type": ["integer", "string", "object"]},
            {"$ref": "#/$defs/n"},
            {},
        ]
    )
) | st.just(True)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = _noisy(
        st.builds(
            lambda properties, count, more: {
                "type": "object",
                "properties": properties,
                "required": list(properties)[:count],
                **more,
            },
            st.dictionaries(NAMES, inner, max_size=3),
            st.integers(0, 2),
            st.sampled_from([{}, {"additionalProperties": False}, {"propertyNames": {"pattern": "a"}}]),
        )
    )
    lists = _noisy(st.builds(lambda items: {"type": "array", "items": items}, inner | st.lists(inner, min_size=1)))
    unions = _noisy(
        st.builds(
            lambda kind, parts: {kind: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=3),
        )
    )
    beside = st.builds(lambda one, parts: {**one, "anyOf": parts}, objects, st.lists(objects, min_size=1, max_size=2))
    return objects | lists | unions | beside


SUBSCHEMAS = st.recursive(LEAVES, _deeper, max_leaves=8)
WELL_FORMED = st.builds(
    lambda properties, count, definition: {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(properties)[:count],
        "$defs": {"n": definition},
    },
    st.dictionaries(NAMES, SUBSCHEMAS, max_size=3),
    st.integers(0, 2),
    SUBSCHEMAS,
)
WORDS = st.sampled_from([
    "type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "enum",
    "const", "prefixItems", "additionalProperties", "nullable", "exclusiveMinimum", "minimum", "format", "not", "a",
])  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        1.5,
        "string",
        "object",
        "null",
        "#",
        "#/$defs/a",
        "#/properties/a",
        "a",
        ["string", "null"],
        [],
        {},
    ]
)
GARBAGE = st.dictionaries(
    WORDS,
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=25
    ),
    max_size=6,
)


class LevelTests:
    """What holds at every level."""

    @given(schema=WELL_FORMED, level=ANY_LEVEL)
    def test_names_stay(self, schema: Any, level: SchemaLevel) -> None:
        """A tool keeps all of its arguments, and those it requires, even if they are called like keywords."""
        shaped = at(level, schema)
        assert shaped["type"] == "object"
        assert schema["properties"].keys() <= shaped["properties"].keys()
        assert set(schema["required"]) <= set(shaped.get("required", []))

    @given(schema=WELL_FORMED, level=ANY_LEVEL)
    def test_once_is_enough(self, schema: Any, level: SchemaLevel) -> None:
        """What was brought to a level is at that level."""
        once = sanitised(raw(schema), level).schema
        assert sanitised(once, level).schema == once

    @given(schema=GARBAGE, level=ANY_LEVEL)
    def test_nonsense(self, schema: Any, level: SchemaLevel) -> None:
        """Whatever a client calls a schema, a JSON object comes out."""
        assert isinstance(at(level, schema), dict)

    @given(schema=WELL_FORMED)
    def test_only_told_keys_go(self, schema: Any) -> None:
        """Mistral's level takes out nothing but the keys it tells."""
        result = sanitised(raw(schema), "mistral")
        assert result.dropped_keywords <= {"$schema", "$id", "additionalProperties", "strict"}
        assert _without(schema, result.dropped_keywords) == _without(json.loads(bytes(result.schema)), frozenset())

    def test_made_up_keys(self) -> None:
        """Keys that a client makes up do not get into logs."""
        source = raw({"type": "object", "properties": {}, "x\n1": 1, "title": "T", "secret": 2})
        assert sanitised(source, "bare").dropped_keywords == {"title", "others"}


PLACES = {"properties", "$defs"}


def _without(node: Any, keys: frozenset[str], *, named: bool = False) -> Any:
    """Take keywords out of a schema by a way that is not the code's own; true is the empty schema."""
    if node is True:
        return {}
    if isinstance(node, list):
        return [_without(each, keys) if isinstance(each, dict) or each is True else each for each in node]
    if not isinstance(node, dict):
        return node
    kept = node if named else {key: value for key, value in node.items() if key not in keys}
    return {
        key: _without(value, keys, named=not named and key in PLACES)
        if isinstance(value, dict | list) or (value is True and (named or key == "items"))
        else value
        for key, value in kept.items()
    }


class BoundTests:
    """What is too much is passed on as it is."""

    @pytest.mark.parametrize("level", LEVELS)
    @pytest.mark.parametrize(
        "source",
        [
            b"[]",
            b'"text"',
            b"true",
            b'{"properties":' + b'{"a":{"properties":' * 40 + b"{}" + b"}}" * 40 + b"}",
            b'{"allOf":[' * 900 + b"{}" + b"]}" * 900,
            b'{"enum":[' + b"[" * 990 + b"]" * 990 + b"]}",
            b'{"maximum":1e999}',
            json.dumps({"properties": {"a": {"anyOf": [{"type": "string"}] * 6000}}}).encode(),
        ],
    )
    def test_unreadable(self, level: SchemaLevel, source: bytes) -> None:
        """A schema that is none, or too deep or large, goes to the server byte for byte, or comes out as an object."""
        result = sanitised(Raw(source), level)
        out = bytes(result.schema)
        assert out == source or (source[:1] == b"{" and json.loads(out)["type"] == "object")

    @pytest.mark.parametrize("level", ["gemini", "bare"])
    def test_references_do_not_multiply(self, level: SchemaLevel) -> None:
        """Definitions that each use the next one twice do not grow without bounds."""
        pair = {f"a{n}": {"properties": {x: {"$ref": f"#/$defs/a{n + 1}"} for x in "ab"}} for n in range(40)}
        source = raw({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": pair})
        assert sanitised(source, level).schema == source

    @pytest.mark.parametrize("level", LEVELS)
    @pytest.mark.parametrize(
        "definitions",
        [
            {"n": {"$ref": "#/$defs/n"}},
            {"n": {"anyOf": [{"$ref": "#/$defs/m"}]}, "m": {"anyOf": [{"$ref": "#/$defs/m"}]}},
            {"n": {"allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}},
            {"n": {"$ref": "#"}},
            {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}},
        ],
    )
    def test_loops_end(self, level: SchemaLevel, definitions: object) -> None:
        """Definitions that lead back to themselves come to an end."""
        assert at(level, {"properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": definitions})["type"] == "object"


class RememberedTests:
    """Results are kept, because a client sends the same schemas every time."""

    SCHEMA = raw({"$schema": "x", "type": "object", "properties": {}})

    def test_none_is_untouched(self) -> None:
        """Without a level a schema stays byte for byte as it is."""
        odd = Raw(b'{ "$id": 1.50 ,"a":1e999}')
        assert SchemaCache().sanitised(odd, "none").schema == odd

    def test_too_large(self) -> None:
        """A huge schema is not looked into."""
        huge = Raw(b'{"$schema":"' + b"x" * MAX_SCHEMA_BYTES + b'"}')
        assert SchemaCache().sanitised(huge, "basic").schema == huge

    def test_remembers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same bytes at the same level are worked on once."""
        remembered = SchemaCache()
        first = remembered.sanitised(self.SCHEMA, "basic")
        monkeypatch.setattr(sanitising, "sanitised", None)
        assert remembered.sanitised(Raw(bytes(self.SCHEMA)), "basic") is first
        with pytest.raises(TypeError):
            remembered.sanitised(self.SCHEMA, "bare")

    def test_forgets_the_longest_unused(self) -> None:
        """Only so many results are kept; one in use is not forgotten."""
        remembered = SchemaCache()
        used = remembered.sanitised(self.SCHEMA, "basic")
        for number in range(MAX_CACHED_SCHEMAS + 10):
            remembered.sanitised(raw({"title": number}), "basic")
            assert remembered.sanitised(self.SCHEMA, "basic") is used
        assert len(remembered._results) == MAX_CACHED_SCHEMAS

    def test_memory_is_bounded(self) -> None:
        """However large the schemas are, what is kept of them is not."""
        remembered = SchemaCache()
        for number in range(200):
            remembered.sanitised(raw({"description": f"{number}" + "x" * 200_000}), "basic")
        sizes = [len(key[1]) + len(result.schema) for key, result in remembered._results.items()]
        assert sum(sizes) == remembered._results.weight <= MAX_CACHED_BYTES
        assert len(sizes) > 10


class ShapingTests:
    """Many sanitising, a few at a time."""

    def test_in_steps(self) -> None:
        """Large schemas take a step each, so that nobody waits for all of them; then they are remembered."""
        many = [raw({"properties": {f"{name}{part}": {"type": "string"} for part in range(STEP)}}) for name in "abc"]
        shaping, before = SanitisingWork(many, "gemini"), SCHEMA_CACHE.walked
        steps = [shaping.step() for _ in range(3)]
        walked = SCHEMA_CACHE.walked - before

        assert steps == [False, False, True]
        assert walked == 3 * (STEP + 1)
        assert SanitisingWork(many, "gemini").step()
        assert SCHEMA_CACHE.walked - before == walked

    def test_given_up_counts(self) -> None:
        """A schema whose references multiply until it is given up is work, too, though nothing comes of it."""
        bomb = {"$defs": {"a": {"properties": {str(n): {} for n in range(100)}}}, "properties": {
            str(n): {"$ref": "#/$defs/a"} for n in range(200)
        }}  # fmt: skip
        assert not SanitisingWork([raw(bomb), raw({"type": "object"})], "bare").step()

    @pytest.mark.parametrize("schemas_", [[], [Raw(b"{}")], [Raw(b"not json")]])
    def test_little(self, schemas_: list[Raw]) -> None:
        """Few or no sanitising, and what is none, take one step."""
        assert SanitisingWork(schemas_, "basic").step()


class StrictTests:
    """Whether OpenAI takes a schema as strict."""

    CLOSED: dict[str, Any] = {  # noqa: RUF012 - never changed
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"properties": {}, "additionalProperties": False}}},
        "required": ["a"],
        "additionalProperties": False,
    }

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({}, True),
            ({"required": []}, False),
            ({"required": None}, False),
            ({"additionalProperties": True}, False),
            ({"properties": {"a": {"properties": {}}}}, False),
            ({"description": "x" * 70_000}, False),
        ],
    )
    def test_strict(self, change: dict[str, Any], expected: bool) -> None:
        """Each object must be closed, and require all that it has; a huge schema is not looked into."""
        assert is_strict(raw({**self.CLOSED, **change})) is expected

    def test_unreadable(self) -> None:
        """What cannot be read is not strict."""
        assert not is_strict(Raw(b"{"))
