"""What the bridge says to the model itself, and where in the conversation it stands."""

from __future__ import annotations

from claude_bridge.core.chat_completions.openai_types import ChatMessage, TextPart
from claude_bridge.core.chat_completions.traits import SystemRole


def add_to_system(messages: list[ChatMessage], text: str, role: SystemRole) -> None:
    """Say something at the end of the system prompt, for what is the same in each request of a kind."""
    if messages and messages[0].role in {"system", "developer"}:
        _add(messages[0], text)
    else:
        messages.insert(0, ChatMessage(role, text))


def add_last(messages: list[ChatMessage], text: str) -> None:
    """Say something at the very end, so that no cached prefix is lost: in the last message if that is the user's.

    Before an assistant message at the end, which is the beginning of the answer, the last user message takes it.
    """
    if messages and messages[-1].role == "assistant":
        user = next((message for message in reversed(messages) if message.role == "user"), None)
    else:
        user = messages[-1] if messages and messages[-1].role == "user" else None
        if user is None:
            messages.append(ChatMessage("user", text))
    if user is not None:
        _add(user, text)


def _add(message: ChatMessage, text: str) -> None:
    if isinstance(message.content, list):
        message.content = [*message.content, TextPart(text)]
    else:
        message.content = f"{message.content}\n\n{text}" if message.content else text
