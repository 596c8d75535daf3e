"""Tests for `claude_bridge.core.chat_completions.chat_fields`: the fields of a request, trait by trait."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.chat_completions import chat_fields
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.traits import (
    MaxTokensField,
    ReasoningEcho,
    ReasoningField,
    RequestField,
    StructuredOutput,
    Traits,
)
from claude_bridge.core.messages_api.anthropic_types import InputMessage
from claude_bridge.core.messages_api.conversation_reader import with_messages
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.strict_json import Raw
from tests.core.asking import asked, assistant, text, tool, translate, user
from tests.core.asking import sent as sent_to

SAMPLING: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END"]}
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}


def sent(**fields: Any) -> Any:
    """Return what a server with these traits gets for a request with all sampling fields."""
    return sent_to(user("hi"), target=Target(model="m", **fields), **SAMPLING)


class FieldTests:
    """Single fields."""

    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    def test_limit(self, name: MaxTokensField) -> None:
        """The limit of the answer goes into the one field that the server knows."""
        found = sent(max_tokens_field=name)
        assert {key: value for key, value in found.items() if key.startswith("max_")} == {name: 32000}

    @pytest.mark.parametrize(("known", "expected"), [(True, 40), (False, None)])
    def test_top_k(self, known: bool, expected: int | None) -> None:
        """``top_k`` goes where it is known."""
        assert sent(top_k=known).get("top_k") == expected

    @pytest.mark.parametrize("names", [(), ("temperature",), ("top_p", "stop"), ("temperature", "top_p", "stop")])
    def test_drop(self, names: tuple[RequestField, ...]) -> None:
        """Fields that a model refuses are left out, and no others."""
        found = sent(drop=names)
        assert {"temperature", "top_p", "stop"} - found.keys() == set(names)

    @pytest.mark.parametrize("known", [True, False])
    def test_parallel_tool_calls(self, known: bool) -> None:
        """A wish for one call at a time goes where it is known."""
        choice = {"type": "auto", "disable_parallel_tool_use": True}
        found = sent_to(
            user("hi"), target=Target(model="m", parallel_tool_calls=known), tools=[tool("a")], tool_choice=choice
        )
        assert found.get("parallel_tool_calls") == (False if known else None)
        assert found["tool_choice"] == "auto"


class StructuredTests:
    """Answers of a required shape."""

    @pytest.mark.parametrize("trait", ["json_object", "instruction"])
    def test_instruction(self, trait: StructuredOutput) -> None:
        """A server that takes no schema gets it in the system prompt, at its end."""
        found = sent_to(
            user("hi"),
            system=[text("rules")],
            target=Target(model="m", structured_output=trait),
            output_config=FORMAT,
        )
        first = found["messages"][0]["content"]
        assert first.startswith("rules\n\nAnswer with JSON only")
        assert first.endswith('{"type":"object","properties":{}}')
        assert found.get("response_format") == ({"type": "json_object"} if trait == "json_object" else None)

    def test_schema(self) -> None:
        """A server that takes the schema gets it, and no words."""
        found = sent_to(user("hi"), target=Target(model="m"), output_config=FORMAT)
        assert found["response_format"]["json_schema"]["schema"] == FORMAT["format"]["schema"]
        assert len(found["messages"]) == 1

    @pytest.mark.parametrize(("trait", "checked"), [("json_schema", False), ("json_object", True)])
    def test_told(self, trait: StructuredOutput, checked: bool) -> None:
        """The translation says whether the answer must be checked here."""
        target = Target(model="m", structured_output=trait)
        assert (translate(asked(user("hi"), output_config=FORMAT), target).answer_shape is not None) is checked
        assert translate(asked(user("hi")), target).answer_shape is None


class MoreTests:
    """Messages of the bridge's own at the end of the conversation."""

    def test_appended(self) -> None:
        """A repair turn stands behind everything, so that the prefix stays as it was."""
        asked_ = asked(user("hi"), assistant("so"), user("go on"))
        plain = translate(asked_, Target(model="m")).body
        longer = with_messages(asked_, [InputMessage("assistant", "{"), InputMessage("user", "Write it once more.")])
        more = translate(longer, Target(model="m")).body
        assert more.startswith(plain[:-2])
        assert more.endswith(b'Write it once more."}]}')

    @pytest.mark.parametrize(
        ("echo", "where", "expected"),
        [
            ("all_turns", "reasoning_content", {"reasoning_content": " "}),
            ("all_turns", "reasoning", {"reasoning": " "}),
            ("tool_turns", "reasoning_content", {}),
            ("current_turn", "reasoning_content", {}),
        ],
    )
    def test_thought(self, echo: ReasoningEcho, where: ReasoningField, expected: dict[str, str]) -> None:
        """A server that insists on thinking in every answer finds it in the bridge's own as well."""
        target = Target(model="m", reasoning_echo=echo, reasoning_field=where)
        translated = translate(with_messages(asked(user("hi")), [InputMessage("assistant", "so")]), target)
        message = json.loads(translated.body)["messages"][-1]
        assert message == {"role": "assistant", "content": "so", **expected}


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
        sent, shape = chat_fields.response_format(schema, Traits(structured_output=trait))
        assert (sent.type if sent else None) == form
        assert (shape == AnswerShape(schema)) is checked

    @pytest.mark.parametrize(
        ("trait", "form", "checked"),
        [("json_schema", "json_object", False), ("json_object", "json_object", True), ("instruction", None, True)],
    )
    def test_without_schema(self, trait: StructuredOutput, form: str | None, checked: bool) -> None:
        """Just any object is asked for as JSON mode, or in words."""
        sent, shape = chat_fields.response_format(Raw(b""), Traits(structured_output=trait))
        assert (sent.type if sent else None) == form
        assert (shape is not None) is checked

    def test_level(self) -> None:
        """A server gets the schema at the level that it takes for tools."""
        sent, _ = chat_fields.response_format(Raw(json.dumps(SCHEMA).encode()), Traits(schema="basic"))
        assert sent is not None
        assert sent.json_schema is not None
        assert b"$id" not in bytes(sent.json_schema.schema)

    def test_nothing_wanted(self) -> None:
        """Nothing is asked for where the client wants nothing."""
        assert conversation_of(asked(user("hi"))).output_schema is None
        assert chat_fields.response_format(None, Traits()) == (None, None)
