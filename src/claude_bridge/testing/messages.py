"""Builders for what a backend with Anthropic's Messages API says: streams, whole messages and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import json_answer

__all__ = ["MESSAGE_USAGE", "frame", "message_error", "message_json", "message_stream", "message_text"]

MESSAGE_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"

MESSAGE_USAGE: Mapping[str, Any] = {
    "input_tokens": 9,
    "cache_creation_input_tokens": 4,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 1,
    "service_tier": "standard",
}
"""As ``message_start`` has it; `message_stream` adds the tokens of the answer at its end."""

OUTPUT_TOKENS = 23


def frame(event: str, **fields: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Frame one event, written with the blanks that Anthropic's own servers write."""
    data = msgspec.json.format(msgspec.json.encode({"type": event, **fields}), indent=0)
    return b"event: " + event.encode() + b"\ndata: " + data + b" \n\n"


def message_stream(
    *blocks: Mapping[str, Any],
    stop: str = "",
    model: str = "claude-test",
    usage: Mapping[str, Any] = MESSAGE_USAGE,
    split: int = 16,
    message_id: str = MESSAGE_ID,
    output_tokens: int = OUTPUT_TOKENS,
) -> tuple[bytes, ...]:
    """Make a good stream, one bytes object for each event.

    :param blocks: the content; text, thinking and tool input come in deltas of ``split`` characters.
    :param stop: the stop reason; by default ``tool_use`` or ``end_turn``, as fits.
    :param message_id: clients that keep a history take two messages with one id for parts of the same.
    :param output_tokens: as the end has it, of the whole answer.
    """
    started = message(model=model, usage=usage, message_id=message_id)
    stop = stop or _stop_reason(blocks)
    frames = [frame("message_start", message=started), frame("ping")]
    for index, block in enumerate(blocks):
        frames += _block(index, block, split)
    delta = {"stop_reason": stop, "stop_sequence": None}
    ended = {name: usage[name] for name in usage if name.endswith("tokens")} | {"output_tokens": output_tokens}
    return (*frames, frame("message_delta", delta=delta, usage=ended), frame("message_stop"))


def message(
    *blocks: Mapping[str, Any],
    model: str = "claude-test",
    stop: str | None = None,
    usage: Mapping[str, Any] = MESSAGE_USAGE,
    message_id: str = MESSAGE_ID,
) -> dict[str, Any]:
    """Return a message's fields."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": dict(usage),
    }


def message_json(
    *blocks: Mapping[str, Any], stop: str = "", model: str = "claude-test", headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Make a whole answer, not streamed; ``stop`` is as for `message_stream`."""
    stop = stop or _stop_reason(blocks)
    usage = {**MESSAGE_USAGE, "output_tokens": OUTPUT_TOKENS}
    return json_answer(200, message(*blocks, model=model, stop=stop, usage=usage), headers)


def message_error(
    status: int, kind: str, text: str, headers: Sequence[tuple[str, str]] = (), request_id: str = "req_011CSHoEeqs5"
) -> Answer:
    """Refuse, as the API does."""
    error = {"type": kind, "message": text}
    told = [("request-id", request_id), *headers]
    return json_answer(status, {"type": "error", "error": error, "request_id": request_id}, told)


def message_text(text: str, **more: Any) -> tuple[bytes, ...]:  # noqa: ANN401 - as `message_stream`
    """Make a stream that says one text."""
    return message_stream({"type": "text", "text": text}, **more)


def _stop_reason(blocks: Sequence[Mapping[str, Any]]) -> str:
    return "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"


def _block(index: int, block: Mapping[str, Any], split: int) -> Iterator[bytes]:
    empty, deltas = _parts(block, split)
    yield frame("content_block_start", index=index, content_block=empty)
    for delta in deltas:
        yield frame("content_block_delta", index=index, delta=delta)
    yield frame("content_block_stop", index=index)


def _parts(block: Mapping[str, Any], split: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it begins, and its deltas."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": part} for part in _cut(block["text"], split)]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": part} for part in _cut(block["thinking"], split)]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
        case "tool_use" | "server_tool_use":
            parts = _cut(msgspec.json.encode(block["input"]).decode(), split)
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
        case _:
            return dict(block), []


def _cut(text: str, split: int) -> list[str]:
    return [text[at : at + split] for at in range(0, len(text), split)]
