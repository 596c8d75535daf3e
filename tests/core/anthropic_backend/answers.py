"""Answers of the Messages API as servers send them."""

from __future__ import annotations

import json
from typing import Any

from claude_bridge.core.events import Finished, Usage

USAGE = {"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}
TOTAL = Usage(input_tokens=7, cache_read_tokens=100, cache_write_tokens=20, output_tokens=42)


def event(name: str, **fields: Any) -> bytes:
    """Return an event as Anthropic sends it."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def start(**usage: Any) -> bytes:
    """Return the beginning of a message."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "usage": usage or USAGE,
    }
    return event("message_start", message=message)


def block(words: str = "Hi", *more: str) -> bytes:
    """Return a block of text with a delta for each argument."""
    opened = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return opened + b"".join(map(delta, (words, *more))) + event("content_block_stop", index=0)


def delta(words: str) -> bytes:
    """Return a piece of text."""
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def ending(stop_reason: str | None = "end_turn", output_tokens: int = 42, **more: Any) -> bytes:
    """Return the event with the stop reason."""
    return event("message_delta", delta={"stop_reason": stop_reason, **more}, usage={"output_tokens": output_tokens})


PING = event("ping")
STOP = event("message_stop")
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
ERROR = f"event: error\ndata: {json.dumps(OVERLOADED)}\n\n".encode()

STREAM = start() + PING + block("Hello", " there") + ending() + STOP


def message(**fields: Any) -> bytes:
    """Return a whole message."""
    usage = {**USAGE, "output_tokens": 42}
    content = [{"type": "text", "text": "Hi"}]
    whole = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage, **fields}
    return json.dumps(whole, indent=2).encode()


def usage_of(finished: object) -> Usage | None:
    """Return the usage of the end of an answer."""
    assert isinstance(finished, Finished)
    return finished.usage
