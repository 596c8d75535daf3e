"""Builds Messages requests and shows what a backend would get for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from claude_bridge.core.chat_completions import translation
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.testing.requests import problems

TARGET = Target(model="backend-model")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def translate(request: MessagesRequest, target: Target, **more: Any) -> Translation:
    """Translate a request; ``more``: as `claude_bridge.core.chat_completions.translation.translate` has it."""
    return translation.translate(conversation_of(request), target, **more)


def text(said: str, **more: object) -> dict[str, object]:
    """Build a text block."""
    return {"type": "text", "text": said, **more}


def user(*content: object) -> dict[str, object]:
    """Build a user message: of one string, or of blocks."""
    return {"role": "user", "content": _content(content)}


def assistant(*content: object) -> dict[str, object]:
    """Build an assistant message."""
    return {"role": "assistant", "content": _content(content)}


def system(*content: object) -> dict[str, object]:
    """Build a system message that stands inside the conversation."""
    return {"role": "system", "content": _content(content)}


def use(identifier: str, name: str = "Read", **arguments: object) -> dict[str, object]:
    """Build a tool call."""
    return {"type": "tool_use", "id": identifier, "name": name, "input": arguments}


def result(identifier: str, content: object = "done", **more: object) -> dict[str, object]:
    """Build a tool result."""
    return {"type": "tool_result", "tool_use_id": identifier, "content": content, **more}


def tool(name: str = "Read", **more: object) -> dict[str, object]:
    """Build a custom tool."""
    return {"name": name, "description": f"Does {name}.", "input_schema": {"type": "object", "properties": {}}, **more}


def _content(content: tuple[object, ...]) -> object:
    return content[0] if len(content) == 1 and isinstance(content[0], str) else list(content)


def body(*messages: object, **fields: object) -> bytes:
    """Build a request's body; ``fields`` replace or add to a model and ``max_tokens``."""
    whole = {"model": "claude-opus-5-5", "max_tokens": 32000, "messages": list(messages), **fields}
    return json.dumps(whole, ensure_ascii=False).encode()


def asked(*messages: object, **fields: object) -> MessagesRequest:
    """Decode a request."""
    return parsing.decode(body(*messages, **fields))


def chat(*messages: object, target: Target = TARGET, **fields: object) -> Any:
    """Return the decoded request that the backend would get; a strict server must find nothing wrong with it."""
    sent = json.loads(translate(asked(*messages, **fields), target).body)
    assert problems(sent) == ()
    return sent


def sent(*messages: object, target: Target, documents: Mapping[str, str] = NO_DOCUMENTS, **fields: object) -> Any:
    """Return the decoded request for a server that wants what OpenAI does not know."""
    return json.loads(translate(asked(*messages, **fields), target, documents=documents).body)


def told(*messages: object, target: Target = TARGET, **fields: object) -> Any:
    """Return the messages that the backend would get."""
    return chat(*messages, target=target, **fields)["messages"]


def refusal(*messages: object, **fields: object) -> str:
    """Return the words in which a request is refused."""
    return refusal_of(body(*messages, **fields))


def refusal_of(raw: bytes) -> str:
    """Return the words in which a body is refused."""
    with pytest.raises(InvalidRequest) as caught:
        translate(parsing.decode(raw), TARGET)
    assert caught.value.status == 400
    return str(caught.value)
