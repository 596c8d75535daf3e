"""A conversation in neutral terms as a Messages request, for requests that no client has made, such as the doctor's."""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import (
    Conversation,
    Document,
    Image,
    Piece,
    State,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
    split_data_url,
    text_of,
)

DEFAULT_MAX_TOKENS: Final = 4096
"""The longest answer, in tokens, where the request does not say: the API demands a number."""


def body_of(conversation: Conversation, model: str, *, max_tokens: int | None = None) -> bytes:
    """Return the body of a request that is streamed, without thinking. ``max_tokens`` overrides the conversation's."""
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens or conversation.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _messages(conversation),
        "stream": True,
        "thinking": {"type": "disabled"},
    }
    if conversation.system:
        fields["system"] = [_text(text) for text in conversation.system]
    if conversation.tools:
        fields["tools"] = [_tool(tool) for tool in conversation.tools]
        if conversation.tool_choice is not None:
            fields["tool_choice"] = _choice(conversation.tool_choice)
    if conversation.stop_sequences:
        fields["stop_sequences"] = list(conversation.stop_sequences)
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(conversation, name)
        if value is not None:
            fields[name] = value
    return strict_json.encode(fields)


def _messages(conversation: Conversation) -> list[dict[str, object]]:
    """Return the messages. A system message among them is the user's, as not every server knows that role."""
    messages: list[dict[str, object]] = []
    for turn in conversation.turns:
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = [_block(piece) for piece in turn.pieces if not isinstance(piece, Thinking | State)]
        if blocks:
            messages.append({"role": role, "content": blocks})
    return messages


def _block(piece: Piece) -> dict[str, object]:
    match piece:
        case Text():
            return _text(piece.text)
        case Image():
            return {"type": "image", "source": _source(piece.url)}
        case Document():
            return {"type": "document", "source": _source(piece.url), "title": piece.filename}
        case ToolCall():
            called = strict_json.Raw(piece.arguments.encode())
            return {"type": "tool_use", "id": piece.id, "name": piece.name, "input": called}
        case ToolResult():
            content = [_block(part) for part in piece.content]
            return {
                "type": "tool_result",
                "tool_use_id": piece.call_id,
                "content": content,
                "is_error": piece.is_error,
            }
        case _:
            return _text(text_of(piece))


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _source(url: str) -> dict[str, object]:
    media_type, data = split_data_url(url) if url.startswith("data:") else ("", "")
    return {"type": "base64", "media_type": media_type, "data": data} if data else {"type": "url", "url": url}


def _tool(tool: ToolDefinition) -> dict[str, object]:
    fields: dict[str, object] = {"name": tool.name, "input_schema": tool.parameters}
    if tool.description is not None:
        fields["description"] = tool.description
    return fields


def _choice(choice: ToolChoice) -> dict[str, object]:
    fields: dict[str, object] = {"type": choice.kind}
    if choice.kind == "tool":
        fields["name"] = choice.name
    if not choice.parallel and choice.kind != "none":
        fields["disable_parallel_tool_use"] = True
    return fields
