"""The bridge's own instructions to the model, and the marking of a prefilled answer."""

from __future__ import annotations

from claude_bridge.core.chat_completions.openai_types import ChatMessage, TextPart
from claude_bridge.core.chat_completions.traits import Prefill, SystemRole
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.turns import PREFILL_REFUSED


def add_to_system(messages: list[ChatMessage], text: str, role: SystemRole) -> None:
    """Append a text to the system prompt, for instructions that are the same in all requests of a kind."""
    if messages and messages[0].role in {"system", "developer"}:
        _add(messages[0], text)
    else:
        messages.insert(0, ChatMessage(role, text))


def add_last(messages: list[ChatMessage], text: str) -> None:
    """Append a text at the very end, so that cached prefixes stay valid: to the last message if it is the user's.

    If an assistant message is at the end, as the beginning of the answer, it is appended to the last user message.
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


def mark_prefill(messages: list[ChatMessage], how: Prefill) -> dict[str, object]:
    """Mark a trailing assistant message in the server's way; return the request's fields that belong to it.

    Raises `InvalidRequest` if the model does not support prefill.
    """
    if not messages or messages[-1].role != "assistant":
        return {}
    match how:
        case "refuse":
            raise InvalidRequest(PREFILL_REFUSED)
        case "prefix":
            messages[-1].prefix = True
        case "partial":
            messages[-1].partial = True
        case "continue":
            return {"continue_final_message": True, "add_generation_prompt": False}
        case _:
            pass
    return {}
