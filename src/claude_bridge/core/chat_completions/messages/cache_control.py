"""Marks of prefixes that the server shall cache (wire-contract 5.1, ``cache_control``).

The client marks blocks that are messages no more once they are translated, so the marks are set anew, where Anthropic
advises them for growing conversations: at the end of the system prompt and of what was said last and last but one to
the model. Tool results are said to the model too: in a tool loop the user says nothing for an hour.
"""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, MarkedTextPart, TextPart

_RECENT: Final = 2
"""Ends of what was said to the model: the last is to be remembered, the one before was, by the request before. With
the system prompt's that is one mark fewer than the four that Anthropic and DashScope take."""


def add_marks(messages: list[ChatMessage]) -> None:
    """Mark the system prompt and the two most recent ends; the text itself stays as it is, byte for byte."""
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
    """Mark a message's last text; tell whether there is one. Anthropic refuses a mark on an empty text."""
    content = message.content
    parts: list[Any] = [TextPart(content)] if isinstance(content, str) else [*(content or ())]
    for at in range(len(parts) - 1, -1, -1):
        part = parts[at]
        if isinstance(part, TextPart) and part.text:
            parts[at] = MarkedTextPart(part.text)
            message.content = parts
            return True
    return False
