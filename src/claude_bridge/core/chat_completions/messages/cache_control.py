"""Marks prefixes that the server should cache (docs/chat-completions.md 1.1).

The blocks that the client marks do not correspond to messages after the translation, so the marks are set anew where
Anthropic recommends them for growing conversations: at the end of the system prompt and of the last two inputs to the
model. Tool results count as inputs, as a tool loop may have no user message for an hour.
"""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, MarkedTextPart, TextPart

_RECENT: Final = 2
"""Inputs whose ends are marked: the last, to be cached now, and the one before, which the previous request cached. With
the system prompt's that is one mark fewer than the four that Anthropic and DashScope accept."""


def add_marks(messages: list[ChatMessage]) -> None:
    """Mark the system prompt and the ends of the last two inputs; the text itself stays the same, byte for byte."""
    if messages and messages[0].role in {"system", "developer"}:
        _mark(messages[0])
    left = _RECENT
    following = "assistant"
    for message in reversed(messages):
        ends = message.role in {"user", "tool"} and following not in {"user", "tool"}
        following = message.role
        if ends and left:
            left -= _mark(message)


def _mark(message: ChatMessage) -> bool:
    """Mark a message's last text and return whether there was one. Anthropic refuses a mark on an empty text."""
    content = message.content
    parts: list[Any] = [TextPart(content)] if isinstance(content, str) else [*(content or ())]
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if isinstance(part, TextPart) and part.text:
            parts[at] = MarkedTextPart(part.text)
            message.content = parts
            return True
    return False
