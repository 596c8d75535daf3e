"""Tests for `claude_bridge.core.chat_completions.chat_fields`: the fields of a request, trait by trait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.traits import (
    MaxTokensField,
    ReasoningEcho,
    ReasoningField,
    RequestField,
    StructuredOutput,
)
from claude_bridge.core.messages_api.anthropic_types import InputMessage
from claude_bridge.core.messages_api.conversation_reader import with_more
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
        longer = with_more(asked_, [InputMessage("assistant", "{"), InputMessage("user", "Write it once more.")])
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
        translated = translate(with_more(asked(user("hi")), [InputMessage("assistant", "so")]), target)
        message = json.loads(translated.body)["messages"][-1]
        assert message == {"role": "assistant", "content": "so", **expected}
