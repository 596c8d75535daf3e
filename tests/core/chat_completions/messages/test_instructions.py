"""Tests for `claude_bridge.core.chat_completions.messages.instructions`: where the bridge's own words stand."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.messages.instructions import add_last, add_to_system
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Part, TextPart
from claude_bridge.core.chat_completions.traits import SystemRole

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
