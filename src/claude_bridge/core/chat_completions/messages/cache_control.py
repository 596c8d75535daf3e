"""Marks of prefixes that the server shall cache (wire-contract 5.1, ``cache_control``).

The client marks blocks that are messages no more once they are translated, so the marks are set anew, where Anthropic
advises them for growing conversations: at the end of the system prompt and of what was said last and last but one to
the model. Tool results are said to the model too: in a tool loop the user says nothing for an hour.
"""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, MarkedTextPart, TextPart
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import reading_of

_MARK: Final = b'"cache_control"'
"""As a key of a block; inside a text the quotes would be escaped."""

_LOOKED: Final = 16
"""Bytes behind a key in which its colon stands."""

_RECENT: Final = 2
"""Ends of what was said to the model: the last is to be remembered, the one before was, by the request before. With
the system prompt's that is one mark fewer than the four that Anthropic and DashScope take."""


def marked(body: bytes) -> bool:
    """Return whether a request's JSON has a mark anywhere; a text may talk of them."""
    at = body.find(_MARK)
    while at >= 0:
        at += len(_MARK)
        if body[at : at + _LOOKED].lstrip().startswith(b":"):
            return True
        at = body.find(_MARK, at)
    return False


def asked(request: MessagesRequest) -> bool:
    """Return whether the client marks anything."""
    return reading_of(request).marked


def put(messages: list[ChatMessage]) -> None:
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
