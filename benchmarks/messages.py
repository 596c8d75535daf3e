"""What a backend of the clients' own API answers: messages, whole or as events. Text only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from benchmarks.requests import MODEL


def whole(text: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """Return a message of one text."""
    content = [{"type": "text", "text": text}]
    return {**_message(input_tokens, output_tokens), "content": content, "stop_reason": "end_turn"}


def parts(
    opening: str, texts: Iterable[str], input_tokens: int, output_tokens: int
) -> tuple[bytes, list[bytes], bytes]:
    """Return the events up to the ``opening`` text, one for each further text, and those that follow."""
    first = _event("message_start", message=_message(input_tokens, 1))
    first += _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    last = _event("content_block_stop", index=0)
    last += _event("message_delta", delta=delta, usage={"output_tokens": output_tokens}) + _event("message_stop")
    return first + _text(opening), [_text(each) for each in texts], last


def _message(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "id": "msg_benchmark",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": output_tokens},
    }


def _text(text: str) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def _event(name: str, **fields: Any) -> bytes:  # noqa: ANN401 - any JSON
    data = json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()
