"""What the backend answers, rendered beforehand: chat completions or messages, as JSON and as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from benchmarks import messages
from benchmarks.mark import NO_STAMP, blank
from benchmarks.requests import MODEL
from benchmarks.scenarios import FRAGMENT, Scenario

INPUT_TOKENS: Final = 100
OUTPUT_TOKENS: Final = 50
CALLED: Final = "Tool01"

_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}
_WORDS = ("word ", "naïve ", '"quoted" ', "tab\there ", "line\n", "back\\slash ", "日本 ", "ok. ", "<b>&</b> ", "🚲 ")
_SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


def text(scenario: Scenario) -> str:
    """Return the answer's text after its mark, stamps left blank."""
    return "".join(_deltas(scenario))


@lru_cache(maxsize=1)
def arguments(size: int) -> str:
    """Return the JSON of a tool call's arguments, ``size`` bytes or a few less."""
    line = 'def sum(x):\n\treturn "größer" + x  # \\ add\n'
    escaped = len(json.dumps(line, ensure_ascii=False).encode()) - 2
    content = line * max(1, (size - 60) // escaped)
    return json.dumps({"file_path": "/project/sum.py", "content": content}, ensure_ascii=False)


@frozen(kw_only=True)
class Script:
    """A scenario's answer; blank marks and stamps are to be overwritten, all lengths hold.

    :ivar whole: the answer in JSON, with its head.
    :ivar writes: the stream, with its head, as it is to be written.
    """

    whole: bytes
    writes: tuple[bytes, ...]


def script(scenario: Scenario) -> Script:
    """Render a scenario's answer."""
    return Script(whole=json_answer(_whole(scenario)), writes=tuple(_writes(scenario)))


def json_answer(value: object, status: str = "200 OK") -> bytes:
    """Render an HTTP answer with a JSON body."""
    body = _json(value)
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _whole(scenario: Scenario) -> dict[str, Any]:
    if scenario.kind == "anthropic":
        return messages.whole(blank(scenario.name) + text(scenario), INPUT_TOKENS, OUTPUT_TOKENS)
    message: dict[str, Any] = {"role": "assistant", "content": blank(scenario.name) + text(scenario)}
    if scenario.argument_bytes:
        message["tool_calls"] = [_call(arguments(scenario.argument_bytes))]
    choice = {"index": 0, "message": message, "finish_reason": _finish(scenario)}
    return {**_common("chat.completion"), "choices": [choice], "usage": _USAGE}


def _writes(scenario: Scenario) -> Iterator[bytes]:
    first, middle, last = _parts(scenario)
    if not scenario.per_write:
        yield _SSE_HEAD + _chunk(b"".join([first, *middle, last])) + _LAST_CHUNK
        return
    yield _SSE_HEAD + _chunk(first)
    for at in range(0, len(middle), scenario.per_write):
        yield _chunk(b"".join(middle[at : at + scenario.per_write]))
    yield _chunk(last) + _LAST_CHUNK


def _parts(scenario: Scenario) -> tuple[bytes, list[bytes], bytes]:
    """Return the events before the deltas, one for each delta, and those that follow."""
    if scenario.kind == "anthropic":
        return messages.parts(blank(scenario.name), _deltas(scenario), INPUT_TOKENS, OUTPUT_TOKENS)
    first = _delta({"role": "assistant", "content": ""}) + _delta({"content": blank(scenario.name)})
    last = _delta({}, _finish(scenario))
    last += _event({**_common("chat.completion.chunk"), "choices": [], "usage": _USAGE}) + b"data: [DONE]\n\n"
    return first, [_delta(fields) for fields in _middle(scenario)], last


def _middle(scenario: Scenario) -> Iterator[dict[str, Any]]:
    if scenario.argument_bytes:
        yield {"tool_calls": [{"index": 0, **_call("")}]}
        whole = arguments(scenario.argument_bytes)
        for at in range(0, len(whole), FRAGMENT):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": whole[at : at + FRAGMENT]}}]}
    for piece in _deltas(scenario):
        yield {"content": piece}


def _deltas(scenario: Scenario) -> Iterator[str]:
    for number in range(scenario.deltas):
        yield f"{NO_STAMP.decode()} " if scenario.stamped else _WORDS[number % len(_WORDS)]


def _call(json_text: str) -> dict[str, Any]:
    return {"id": "call_benchmark", "type": "function", "function": {"name": CALLED, "arguments": json_text}}


def _finish(scenario: Scenario) -> str:
    return "tool_calls" if scenario.argument_bytes else "stop"


def _common(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-benchmark", "object": kind, "created": 1_700_000_000, "model": MODEL}


def _delta(fields: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}
    return _event({**_common("chat.completion.chunk"), "choices": [choice]})


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
