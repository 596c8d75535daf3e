"""Tests for `claude_bridge.core.chat_completions.messages.instructions`: where the bridge's own words stand."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.messages.instructions import add_last, add_to_system
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Part, TextPart
from claude_bridge.core.chat_completions.traits import Prefill, SystemRole
from claude_bridge.core.errors import InvalidRequest
from tests.core.asking import assistant, result, sent, text, use, user

PARTS: list[Part] = [TextPart("hi")]


class SystemTests:
    """Words for the system prompt."""

    @pytest.mark.parametrize("role", ["system", "developer"])
    def test_behind_what_is_there(self, role: SystemRole) -> None:
        """They stand behind the client's own."""
        messages = [ChatMessage(role, "rules"), ChatMessage("user", "hi")]
        add_to_system(messages, "more", role)
        assert [message.content for message in messages] == ["rules\n\nmore", "hi"]

    @pytest.mark.parametrize("role", ["system", "developer"])
    def test_alone(self, role: SystemRole) -> None:
        """Without a system prompt they are it."""
        messages = [ChatMessage("user", "hi")]
        add_to_system(messages, "more", role)
        assert [(message.role, message.content) for message in messages] == [(role, "more"), ("user", "hi")]

    def test_parts(self) -> None:
        """A system prompt in parts gets one more."""
        messages = [ChatMessage("system", PARTS)]
        add_to_system(messages, "more", "system")
        assert messages[0].content == [*PARTS, TextPart("more")]


class LastTests:
    """Words for the very end."""

    @pytest.mark.parametrize(
        ("roles", "expected"),
        [
            (["user"], ["user+"]),
            (["system", "user"], ["system", "user+"]),
            (["user", "assistant", "tool"], ["user", "assistant", "tool", "+"]),
            (["user", "system"], ["user", "system", "+"]),
            (["user", "assistant"], ["user+", "assistant"]),
            (["user", "assistant", "user", "assistant"], ["user", "assistant", "user+", "assistant"]),
            (["assistant"], ["assistant"]),
            ([], ["+"]),
        ],
    )
    def test_place(self, roles: list[str], expected: list[str]) -> None:
        """They go to the last message if it is the user's, else behind it, but not behind an answer that is begun."""
        messages = [ChatMessage(role, role) for role in roles]
        add_last(messages, "+")
        assert [str(message.content).replace("\n", "") for message in messages] == expected
        assert messages[-1].role in {"user", "assistant"}

    def test_parts(self) -> None:
        """A message in parts gets one more."""
        messages = [ChatMessage("user", PARTS)]
        add_last(messages, "more")
        assert messages[0].content == [*PARTS, TextPart("more")]


ENDING = [user("a"), assistant("The answer is")]


class PrefillTests:
    """Each way in which servers want it."""

    @pytest.mark.parametrize(
        ("how", "marks", "fields"),
        [
            ("pass", {}, {}),
            ("prefix", {"prefix": True}, {}),
            ("partial", {"partial": True}, {}),
            ("continue", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ],
    )
    def test_marked(self, how: Prefill, marks: dict[str, bool], fields: dict[str, bool]) -> None:
        """The last message, or the request, says that the answer goes on with it; nothing else changes."""
        whole = sent(*ENDING, target=Target(model="m", prefill=how))
        plain = sent(*ENDING, target=Target(model="m"))
        assert whole["messages"] == [{"role": "user", "content": "a"}, {**plain["messages"][-1], **marks}]
        assert {key: value for key, value in whole.items() if key not in plain} == fields

    def test_refused(self) -> None:
        """A model that can only begin anew is not asked; the client hears Anthropic's own words."""
        with pytest.raises(InvalidRequest, match="The conversation must end with a user message") as caught:
            sent(*ENDING, target=Target(model="m", prefill="refuse"))
        assert str(caught.value).startswith("This model does not support assistant message prefill.")

    @pytest.mark.parametrize("how", ["prefix", "partial", "continue", "refuse"])
    @pytest.mark.parametrize(
        "ending",
        [
            [user("a")],
            [user("a"), assistant("b"), user("c")],
            [user("a"), assistant(use("t")), user(result("t"))],
            [user("a"), assistant(use("t"))],
            [user("a"), assistant(text(""))],
        ],
    )
    def test_others(self, how: Prefill, ending: list[dict[str, object]]) -> None:
        """Nothing happens where the model is to begin: after the user, after results, after an empty message."""
        assert sent(*ending, target=Target(model="m", prefill=how)) == sent(*ending, target=Target(model="m"))
