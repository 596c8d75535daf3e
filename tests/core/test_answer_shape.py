"""Tests for `claude_bridge.core.answer_shape`.

Answers of a required shape, told, checked and asked for once more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.answer_shape import MAX_ANSWER_CHARACTERS, AnswerShape, correction, extract_json, instruction
from claude_bridge.core.strict_json import Raw

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def shape_of(schema: object) -> AnswerShape:
    """Make the shape of a schema."""
    return AnswerShape(Raw(json.dumps(schema).encode()))


class InstructionTests:
    """What the model is told."""

    def test_schema(self) -> None:
        """The model gets the schema, and hears of JSON, without which some servers refuse JSON mode."""
        told = instruction(Raw(b'{ "type": "object" }'))
        assert told.endswith('\n\n{"type":"object"}')
        assert "JSON" in told

    def test_any_object(self) -> None:
        """Without a schema the model is asked for some object."""
        assert "one JSON object" in AnswerShape(Raw(b"")).instruction


class CleanedTests:
    """The JSON in an answer."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"a":1}', '{"a":1}'),
            (' \n{"a": 1}\n', '{"a": 1}'),
            ("[1, 2]", "[1, 2]"),
            ('```json\n{"a": 1}\n```', '{"a": 1}'),
            ('Here [as asked] it is:\n```\n{"a": 1}\n```\nAnything else?', '{"a": 1}'),
            ('Sure! {"a": "}"} is it. {"b": 2}', '{"a": "}"}'),
            ('I use {braces} and {"a": [1]}', '{"a": [1]}'),
            ("no JSON at all", "no JSON at all"),
            ('{"a": 1', '{"a": 1'),
            ('{"a": NaN}', '{"a": NaN}'),
            ("", ""),
        ],
    )
    def test_cleaned(self, text: str, expected: str) -> None:
        """A client gets the first complete object or list without the words and fences around it."""
        assert extract_json(text) == expected

    @given(value=st.lists(JSON) | st.dictionaries(st.text(), JSON))
    def test_whole_json_stays(self, value: object) -> None:
        """An answer that is JSON and nothing else is not touched."""
        text = json.dumps(value)
        assert extract_json(text) == text
        assert json.loads(extract_json(f"Well:\n```json\n{text}\n```")) == value

    @pytest.mark.parametrize("text", ["[" * 300_000, '{"a":' * 200_000, '{"a"' * 200_000, "[1," * 300_000])
    def test_hostile(self, text: str) -> None:
        """An answer made to be hard to read is read in no time."""
        begun = time.process_time()
        assert extract_json(text) == text
        assert time.process_time() - begun < 2


class CheckTests:
    """The mistakes in an answer."""

    @pytest.mark.parametrize("text", ['{"name":"x"}', '```json\n{"name":"x","age":3}\n```', 'So: {"name":"x"}.'])
    def test_right(self, text: str) -> None:
        """An answer that keeps to the schema has no mistake."""
        assert shape_of(PERSON).check(text) is None

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "it is not valid JSON"),
            ("I cannot do that.", "it is not valid JSON"),
            ('{"name":"x"', "it is not valid JSON"),
            ('{"name":1}', 'at name: 1 is not of type "string"'),
            ("{}", 'at the top: "name" is a required property'),
            ('{"name":"x","age":-1}', "at age: -1 is less than the minimum of 0"),
            ("[]", 'at the top: [] is not of type "object"'),
        ],
    )
    def test_wrong(self, text: str, expected: str) -> None:
        """A mistake is told so that a model can mend it."""
        assert shape_of(PERSON).check(text) == expected

    def test_any_object(self) -> None:
        """Without a schema any object is right, and nothing else."""
        shape = AnswerShape(Raw(b""))
        assert shape.check('{"a":1}') is None
        assert shape.check("[1]") == "it is not a JSON object"

    def test_long_mistake(self) -> None:
        """A mistake is short, however long the answer is."""
        mistake = shape_of({"const": 1}).check(json.dumps(["x" * 5000]))
        assert mistake is not None
        assert len(mistake) <= 300

    @pytest.mark.parametrize("levels", [300, 900])
    def test_deep_mistake(self, levels: int) -> None:
        """An answer that is wrong and too deep for the details is called wrong, and no more."""
        deep = '{"a":' * levels + "1" + "}" * levels
        mistake = shape_of({"type": "array", "uniqueItems": True}).check(deep)
        assert mistake == "it does not keep to the JSON Schema"

    def test_alternatives(self) -> None:
        """Definitions in the same document are followed."""
        tree = {"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}
        assert shape_of(tree).check("[[],[[]]]") is None
        assert shape_of(tree).check("[[],[[1]]]") == 'at 1/0/0: 1 is not of type "array"'

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "novel"},
            {"$ref": "http://127.0.0.1:9/schema.json"},
            {"$ref": "file:///etc/passwd"},
            {"$schema": "http://127.0.0.1:9/meta.json", "type": "string"},
            {"$ref": "#/$defs/none"},
            {"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor", "type": "string"}}},
            {"$dynamicRef": "#x"},
            {"pattern": "(?=look)ahead", "type": "string"},
            {"type": "string", "pattern": "(a{1000}){1000}"},
            {"properties": None, "type": "string"},
            {"description": "x" * 100_000, "type": "string"},
        ],
    )
    def test_schemas_that_cannot_be_used(self, schema: object) -> None:
        """With a schema that makes no sense here, or that would have to be fetched, any JSON is right."""
        assert shape_of(schema).check('{"a":1}') is None
        assert shape_of(schema).check("no JSON") == "it is not valid JSON"

    DOUBLING: dict[str, Any] = {  # noqa: RUF012 - never changed
        "$ref": "#/$defs/a0",
        "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
        | {"a60": {"type": "null"}},
    }
    FORKING: dict[str, Any] = {  # noqa: RUF012 - never changed
        "anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": ["z"]} for _ in range(3)]
    }

    @pytest.mark.parametrize(
        ("schema", "text"),
        [
            (DOUBLING, "1"),
            (FORKING, '{"a":' * 60 + "{}" + "}" * 60),
            ({"type": "string", "pattern": "^(a+)+$"}, json.dumps("a" * 60_000 + "b")),
            ({"pattern": "a[ab]{500}c"}, json.dumps("ab" * 100_000)),
            ({"items": {"allOf": [{"type": "integer"}] * 4000}}, json.dumps([1] * 100_000)),
            ({"anyOf": [{"type": "null"}] * 3000}, json.dumps(["x" * 100] * 1000)),
            ({"uniqueItems": True}, json.dumps([{"a": n} for n in range(20_000)])),
        ],
    )
    def test_hostile(self, schema: object, text: str) -> None:
        """A schema and an answer made for each other cost no more than a moment."""
        begun = time.process_time()
        shape_of(schema).check(text)
        assert time.process_time() - begun < 3

    def test_huge_answer(self) -> None:
        """An answer longer than any model writes is not looked into."""
        assert shape_of(PERSON).check("[" * (MAX_ANSWER_CHARACTERS + 1)) is None

    @pytest.mark.parametrize("text", ["\ud800", '{"name":"\ud800"}', '{"name":"\\ud800"}', "[" * 5000 + "]" * 5000])
    def test_odd_text(self, text: str) -> None:
        """Broken characters and depths end in a mistake at most."""
        found = {None, "it is not valid JSON", "it does not keep to the JSON Schema"}
        assert shape_of(PERSON).check(text) in found

    def test_costs_nothing_unused(self) -> None:
        """The validator is only loaded when an answer is to be checked."""
        code = "import sys, claude_bridge.core.chat_completions.translation; sys.exit('jsonschema_rs' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class CorrectionTests:
    """The turn that asks once more."""

    def test_words(self) -> None:
        """The model is told what is wrong with its answer."""
        assert "at the top: it is empty" in correction("at the top: it is empty")
