"""Tests for `claude_bridge.core.chat_completions.structured_output`: how a shape is asked for."""

from __future__ import annotations

import json

import pytest
from hypothesis import strategies as st

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.chat_completions import structured_output
from claude_bridge.core.chat_completions.traits import StructuredOutput, Traits
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.strict_json import Raw
from tests.core.asking import asked, user

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


def of(schema: object) -> AnswerShape:
    """Make the shape of a schema."""
    return AnswerShape(Raw(json.dumps(schema).encode()))


SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "$id": "x"}}}


class FormatTests:
    """What is asked of a server, by what it takes."""

    @pytest.mark.parametrize(
        ("trait", "form", "checked"),
        [("json_schema", "json_schema", False), ("json_object", "json_object", True), ("instruction", None, True)],
    )
    def test_with_schema(self, trait: StructuredOutput, form: str | None, checked: bool) -> None:
        """A schema goes to servers that take schemas; for the others the answer is checked here."""
        schema = Raw(json.dumps(SCHEMA).encode())
        sent, shape = structured_output.response_format(schema, Traits(structured_output=trait))
        assert (sent.type if sent else None) == form
        assert (shape == AnswerShape(schema)) is checked

    @pytest.mark.parametrize(
        ("trait", "form", "checked"),
        [("json_schema", "json_object", False), ("json_object", "json_object", True), ("instruction", None, True)],
    )
    def test_without_schema(self, trait: StructuredOutput, form: str | None, checked: bool) -> None:
        """Just any object is asked for as JSON mode, or in words."""
        sent, shape = structured_output.response_format(Raw(b""), Traits(structured_output=trait))
        assert (sent.type if sent else None) == form
        assert (shape is not None) is checked

    def test_level(self) -> None:
        """A server gets the schema at the level that it takes for tools."""
        sent, _ = structured_output.response_format(Raw(json.dumps(SCHEMA).encode()), Traits(schema="basic"))
        assert sent is not None
        assert sent.json_schema is not None
        assert b"$id" not in bytes(sent.json_schema.schema)

    def test_nothing_wanted(self) -> None:
        """Nothing is asked for where the client wants nothing."""
        assert conversation_of(asked(user("hi"))).output_schema is None
        assert structured_output.response_format(None, Traits()) == (None, None)
