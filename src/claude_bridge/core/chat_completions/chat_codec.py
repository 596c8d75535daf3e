"""The codec of chat completions: bytes -> chunks, as leniently as servers require, and requests -> bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions import openai_types
from claude_bridge.core.lenient_json import MEND_EVENT_LIMIT, as_object, raw, raws, text
from claude_bridge.core.strict_json import ERRORS, decode, encode

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
    value = as_object(value)
    chunk = openai_types.Chunk(
        model=text(value.get("model")),
        object=text(value.get("object")),
        usage=raw(value.get("usage")),
        error=raw(value.get("error")),
        timings=raw(value.get("timings")),
        prompt_progress=raw(value.get("prompt_progress")),
        x_groq=raw(value.get("x_groq")),
        system_fingerprint=text(value.get("system_fingerprint")),
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
        finish_reason=text(value.get("finish_reason")),
        stop_reason=stop if isinstance(stop, str) else None,
        matched_stop=matched if isinstance(matched, str) else None,
        usage=raw(value.get("usage")),
    )


def _lenient_delta(value: object) -> openai_types.Delta | None:
    if not isinstance(value, dict):
        return None
    content = value.get("content")
    calls = value.get("tool_calls")
    return openai_types.Delta(
        content=raws(content) if isinstance(content, list) else text(content),
        reasoning_content=_thinking(value.get("reasoning_content")),
        reasoning=_thinking(value.get("reasoning")),
        reasoning_text=_thinking(value.get("reasoning_text")),
        thinking=_thinking(value.get("thinking")),
        reasoning_details=raws(value.get("reasoning_details")),
        thinking_blocks=raws(value.get("thinking_blocks")),
        tool_calls=[_lenient_call(call) for call in calls[: json_weight.MAX_PARTS + 1] if isinstance(call, dict)]
        if isinstance(calls, list)
        else None,
        function_call=_lenient_function(value.get("function_call")),
        refusal=text(value.get("refusal")),
    )


def _lenient_call(value: dict[str, Any]) -> openai_types.ToolCallDelta:
    index, identifier = value.get("index"), value.get("id")
    return openai_types.ToolCallDelta(
        index=_number(index),
        id=str(identifier) if isinstance(identifier, str | int) else None,
        function=_lenient_function(value.get("function")),
        extra_content=raw(value.get("extra_content")),
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
    return openai_types.FunctionDelta(name=text(value.get("name")), arguments=arguments)


def _thinking(value: object) -> str | None:
    """Return thinking that is text, or the text in an object as Envoy's AI gateway sends it."""
    if isinstance(value, dict):
        value = value.get("text") or value.get("content") or value.get("thinking")
    return text(value)
