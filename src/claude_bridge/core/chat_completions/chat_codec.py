"""The codec of chat completions: bytes -> chunks, as leniently as servers require, and requests -> bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions import openai_types
from claude_bridge.core.strict_json import ERRORS, JsonError, decode, encode

MEND_EVENT_LIMIT: Final = 1024 * 1024
"""Bytes of the largest event in which lone surrogates are replaced; an event is decoded in one reactor turn."""

_chunk: Final = msgspec.json.Decoder(openai_types.Chunk)

T = TypeVar("T")


def decode_chunk(data: bytes) -> openai_types.Chunk:
    """Return a decoded chunk or whole answer: quickly if its types are as documented, else leniently."""
    try:
        return _chunk.decode(data)
    except ERRORS:
        pass
    return _lenient_chunk(decode(data, mend_limit=MEND_EVENT_LIMIT))


def encode_chat(
    request: openai_types.ChatRequest, extra: dict[str, object], messages: Iterable[openai_types.ChatMessage]
) -> bytes:
    """Return an encoded chat request: its fields in their order, then ``extra``, then the messages."""
    head = memoryview(encode(request))[:-1]  # with a conversation's tools it is large, so it is not copied
    more = b"," + encode(extra)[1:-1] if extra else b""
    return b"".join((head, more, b',"messages":', encode(list(messages)), b"}"))


def _lenient_chunk(value: object) -> openai_types.Chunk:
    """Return a chunk whose types are wrong: every field that fits, and the others with their nearest meaning."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise JsonError("it is not a JSON object")
    chunk = openai_types.Chunk(
        model=_text(value.get("model")),
        object=_text(value.get("object")),
        usage=_raw(value.get("usage")),
        error=_raw(value.get("error")),
        timings=_raw(value.get("timings")),
        prompt_progress=_raw(value.get("prompt_progress")),
        x_groq=_raw(value.get("x_groq")),
        system_fingerprint=_text(value.get("system_fingerprint")),
    )
    choices = value.get("choices")
    if isinstance(choices, list):
        chunk.choices = [
            _lenient_choice(choice) for choice in choices[: json_weight.MAX_CHOICES + 1] if isinstance(choice, dict)
        ]
    return chunk


def _lenient_choice(value: dict[str, Any]) -> openai_types.Choice:
    stop = value.get("stop_reason")
    matched = value.get("matched_stop")
    return openai_types.Choice(
        index=value["index"] if isinstance(value.get("index"), int) else 0,
        delta=_lenient_delta(value.get("delta")),
        message=_lenient_delta(value.get("message")),
        finish_reason=_text(value.get("finish_reason")),
        stop_reason=stop if isinstance(stop, str) else None,
        matched_stop=matched if isinstance(matched, str) else None,
        usage=_raw(value.get("usage")),
    )


def _lenient_delta(value: object) -> openai_types.Delta | None:
    if not isinstance(value, dict):
        return None
    content = value.get("content")
    details, blocks = value.get("reasoning_details"), value.get("thinking_blocks")
    calls = value.get("tool_calls")
    return openai_types.Delta(
        content=_raws(content) if isinstance(content, list) else _text(content),
        reasoning_content=_thinking(value.get("reasoning_content")),
        reasoning=_thinking(value.get("reasoning")),
        reasoning_text=_thinking(value.get("reasoning_text")),
        thinking=_thinking(value.get("thinking")),
        reasoning_details=_raws(details) if isinstance(details, list) else None,
        thinking_blocks=_raws(blocks) if isinstance(blocks, list) else None,
        tool_calls=[_lenient_call(call) for call in calls[: json_weight.MAX_PARTS + 1] if isinstance(call, dict)]
        if isinstance(calls, list)
        else None,
        function_call=_lenient_function(value.get("function_call")),
        refusal=_text(value.get("refusal")),
    )


def _lenient_call(value: dict[str, Any]) -> openai_types.ToolCallDelta:
    index, identifier = value.get("index"), value.get("id")
    return openai_types.ToolCallDelta(
        index=_number(index),
        id=str(identifier) if isinstance(identifier, str | int) else None,
        function=_lenient_function(value.get("function")),
        extra_content=_raw(value.get("extra_content")),
    )


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return int(value) if isinstance(value, int | float) else None


def _lenient_function(value: object) -> openai_types.FunctionDelta | None:
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        arguments = encode(arguments).decode()
    return openai_types.FunctionDelta(name=_text(value.get("name")), arguments=arguments)


def _thinking(value: object) -> str | None:
    """Return thinking that is text, or the text in an object as Envoy's AI gateway sends it."""
    if isinstance(value, dict):
        value = value.get("text") or value.get("content") or value.get("thinking")
    return _text(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _raws(values: list[object]) -> list[Raw]:
    """Return the values raw, of too many one more than the limit, so that the reader notices."""
    return [_raw(value) for value in values[: json_weight.MAX_PARTS + 1]]


def _raw(value: object) -> Raw:
    return openai_types.EMPTY if value is None else Raw(encode(value))
