"""Builders for what an OpenAI-compatible backend says: chunks, streams, whole answers and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from claude_bridge.testing.answers import Answer, Pause, Send, Step

__all__ = [
    "USAGE",
    "ToolCall",
    "chat_json",
    "chat_stream",
    "chunk",
    "error",
    "events",
    "json_answer",
    "sse",
    "token_usage",
]

CREATED = 1_750_000_000
"""Time stamp of all answers, in Unix seconds: the same each time, so that answers can be compared."""

STREAM_HEADERS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


@frozen(kw_only=True)
class ToolCall:
    """A tool call; ``arguments`` is JSON text, as the wire has it."""

    id: str
    name: str
    arguments: str


def token_usage(
    prompt: int, completion: int, *, cached: int | None = None, reasoning: int | None = None
) -> dict[str, Any]:
    """Count tokens as OpenAI does: ``prompt`` includes ``cached``, ``completion`` includes ``reasoning``."""
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return counts


USAGE: Mapping[str, Any] = token_usage(12, 7)


def chunk(
    delta: Mapping[str, Any] | None,
    *,
    finish: str | None = None,
    model: str = "test-model",
    **more: Any,  # noqa: ANN401 - any further key of a chunk
) -> dict[str, Any]:
    """Make one chunk. ``delta=None`` makes one without choices, as the one that carries usage."""
    choices = [] if delta is None else [{"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": model}
    return {**head, "choices": choices, **more}


def events(objects: Iterable[Mapping[str, Any]], *, done: bool = True) -> tuple[bytes, ...]:
    """Frame each object as one server-sent event, with ``[DONE]`` at the end unless not wanted."""
    framed = tuple(b"data: " + msgspec.json.encode(one) + b"\n\n" for one in objects)
    return (*framed, b"data: [DONE]\n\n") if done else framed


def chat_stream(
    *,
    text: str = "",
    reasoning: str = "",
    tool_calls: Sequence[ToolCall] = (),
    finish: str | None = None,
    usage: Mapping[str, Any] | None = USAGE,
    model: str = "test-model",
    split: int = 16,
) -> tuple[bytes, ...]:
    """Make a good stream, one bytes object an event.

    :param finish: the finish reason; by default ``tool_calls`` or ``stop``, as fits.
    :param usage: for the last chunk; None leaves that chunk out.
    :param split: characters in one delta.
    """
    deltas = _deltas(text, reasoning, tool_calls, split)
    chunks = [chunk(delta, model=model) for delta in deltas]
    chunks.append(chunk({}, finish=finish or _finish(tool_calls), model=model))
    if usage is not None:
        chunks.append(chunk(None, model=model, usage=dict(usage)))
    return events(chunks)


def _deltas(text: str, reasoning: str, tool_calls: Sequence[ToolCall], split: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning_content": part} for part in _parts(reasoning, split))
    yield from ({"content": part} for part in _parts(text, split))
    for index, call in enumerate(tool_calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for part in _parts(call.arguments, split):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def _parts(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def _finish(tool_calls: Sequence[ToolCall]) -> str:
    return "tool_calls" if tool_calls else "stop"


def sse(parts: Iterable[bytes], *, size: int | None = None, pause: float = 0.0) -> Answer:
    """Stream ``parts``, one write each.

    :param size: cut the same bytes into writes of this many bytes instead.
    :param pause: seconds after each write.
    """
    pieces = list(parts)
    if size is not None:
        whole = b"".join(pieces)
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    steps: list[Step] = []
    for piece in pieces:
        steps.append(Send(piece))
        if pause:
            steps.append(Pause(pause))
    return Answer(200, STREAM_HEADERS, tuple(steps))


def chat_json(
    *,
    text: str | None = None,
    reasoning: str = "",
    tool_calls: Sequence[ToolCall] = (),
    finish: str | None = None,
    usage: Mapping[str, Any] = USAGE,
    model: str = "test-model",
) -> Answer:
    """Make a whole answer, not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if reasoning:
        message["reasoning_content"] = reasoning
    if tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish or _finish(tool_calls)}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": model}
    return json_answer(200, {**head, "choices": [choice], "usage": dict(usage)})


def error(status: int, body: object, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Refuse. A string or bytes is sent as it is (HTML, say); a mapping with no ``error`` key goes inside one."""
    if isinstance(body, (str, bytes)):
        data = body.encode() if isinstance(body, str) else body
        return Answer(status, (("content-type", "text/html"), *headers), (Send(data),))
    if isinstance(body, Mapping) and "error" not in body:
        body = {"error": {"message": "", "type": None, "param": None, "code": None, **body}}
    return json_answer(status, body, headers)


def json_answer(status: int, body: object, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Answer with a JSON body of known length."""
    data = msgspec.json.encode(body)
    own = (("content-type", "application/json"), ("content-length", str(len(data))))
    return Answer(status, (*own, *headers), (Send(data),))
