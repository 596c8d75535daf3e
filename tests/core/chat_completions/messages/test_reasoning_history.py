"""Tests for `claude_bridge.core.chat_completions.messages.reasoning_history`.

Past thinking in the field that the server reads.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.messages.reasoning_history import echoes, requires
from claude_bridge.core.chat_completions.traits import ReasoningEcho, ReasoningField
from tests.core.asking import asked, assistant, result, sent, text, translate, use, user

THOUGHT = {"type": "thinking", "thinking": "t", "signature": ""}
FIELDS = get_args(ReasoningField)


def turn(*blocks: object, field: ReasoningField, echo: ReasoningEcho = "all_turns") -> Any:
    """Return the assistant's message that these blocks become."""
    target = Target(model="m", reasoning_field=field, reasoning_echo=echo)
    return sent(user("a"), assistant(*blocks), user("b"), target=target)["messages"][1]


def thinking(said: str) -> dict[str, Any]:
    """Return thinking as Mistral has it."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": said}]}


class FieldTests:
    """Each field."""

    @pytest.mark.parametrize(
        ("field", "key"),
        [("reasoning_content", "reasoning_content"), ("reasoning", "reasoning"), ("reasoning_details", "reasoning")],
    )
    @pytest.mark.parametrize(("blocks", "thought"), [([THOUGHT, text("x")], "t"), ([text("x")], " ")])
    def test_key(self, field: ReasoningField, key: str, blocks: list[Any], thought: str) -> None:
        """Thinking goes back beside the text, under the one name; a space where it is missing and required."""
        assert turn(*blocks, field=field) == {"role": "assistant", "content": "x", key: thought}

    def test_content(self) -> None:
        """Mistral gets thinking and text as parts, in this order."""
        part = {"type": "text", "text": "x"}
        assert turn(THOUGHT, text("x"), field="content")["content"] == [thinking("t"), part]
        assert turn(text("x"), field="content")["content"] == [thinking(" "), part]
        assert turn(text("x"), field="content", echo="never")["content"] == "x"

    def test_content_beside_calls(self) -> None:
        """Beside calls without text there is the thinking alone; where none goes back nothing changes."""
        assert turn(THOUGHT, use("t"), field="content")["content"] == [thinking("t")]
        assert turn(use("t"), field="content", echo="never")["content"] is None

    @pytest.mark.parametrize("field", FIELDS)
    def test_echoed(self, field: ReasoningField) -> None:
        """Whatever the field, it is known that thinking went back unasked, so that a refusal can be mended."""
        history = [user("a"), assistant(THOUGHT, use("t")), user(result("t"))]
        assert translate(asked(*history), Target(model="m", reasoning_field=field)).echoed
        never = Target(model="m", reasoning_field=field, reasoning_echo="never")
        assert not translate(asked(*history), never).echoed
        assert not translate(asked(user("a")), Target(model="m", reasoning_field=field)).echoed


class PolicyTests:
    """Which turns."""

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("current_turn", [False, False, False, True]),
            ("never", [False, False, False, False]),
            ("tool_turns", [False, False, True, True]),
            ("after_last_user", [False, True, False, True]),
            ("all_turns", [True, True, True, True]),
        ],
    )
    def test_echoes(self, policy: ReasoningEcho, expected: list[bool]) -> None:
        """A policy looks at calls, and at whether a person has spoken since."""
        cases = [(called, after) for called in (False, True) for after in (False, True)]
        assert [echoes(policy, called=called, after_question=after) for called, after in cases] == expected

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("current_turn", [False, False, False, False]),
            ("never", [False, False, False, False]),
            ("tool_turns", [False, False, True, True]),
            ("after_last_user", [False, False, False, True]),
            ("all_turns", [True, True, True, True]),
        ],
    )
    def test_required(self, policy: ReasoningEcho, expected: list[bool]) -> None:
        """Where a server insists on thinking beside calls, or everywhere, the field is never missing."""
        cases = [(called, after) for called in (False, True) for after in (False, True)]
        assert [requires(policy, called=called, after_question=after) for called, after in cases] == expected
