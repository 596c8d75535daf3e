"""The two requests that are sent: a short one, and one as Claude Code sends it in the middle of its work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.mark import blank
from benchmarks.scenarios import Scenario

MODEL: Final = "bench-model"
TOOLS: Final = 25
CALLS: Final = 24

_KINDS = ("string", "integer", "boolean", "string", "array", "object")
_SOURCE = "".join(f'    if (row < {n} && kind !== "a\\b") {{ return "größe {n}"; }}\n' for n in range(45))


def render(scenario: Scenario) -> bytes:
    """Return the body of a request of this scenario, with a blank mark in its last user message."""
    make = _claude_code if scenario.request == "claude_code" else _small
    body = {"model": MODEL, "stream": scenario.asks_stream, **make(blank(scenario.name))}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _small(mark: str) -> dict[str, Any]:
    return {
        "max_tokens": 1024,
        "system": "You answer in one sentence. " * 30,
        "messages": [
            {"role": "user", "content": "What is a bridge? " * 30},
            {"role": "assistant", "content": [_text("A way across. " * 20)]},
            {"role": "user", "content": [_text(f"And what is a ford? {mark}")]},
        ],
    }


def _claude_code(mark: str) -> dict[str, Any]:
    cached = {"cache_control": {"type": "ephemeral"}}
    return {
        "max_tokens": 32_000,
        "system": [
            {**_text("You are a tool for people who write programs. " * 10), **cached},
            {**_text("Keep to every one of the rules that follow.\n" * 300), **cached},
        ],
        "messages": [*_history(), {"role": "user", "content": [{**_text(f"Go on, please. {mark}"), **cached}]}],
        "metadata": {"user_id": "user_benchmark"},
        "tools": [_tool(number) for number in range(TOOLS)],
    }


def _history() -> Iterator[dict[str, Any]]:
    yield {
        "role": "user",
        "content": [_text("<system-reminder>Be brief.</system-reminder>"), _text("Fix bug 7. " * 40)],
    }
    for number in range(CALLS):
        call = f"toolu_{number:024d}"
        asked = {"file_path": f"/project/part_{number}.ts", "limit": 200, "flags": ["a", "b"]}
        use = {"type": "tool_use", "id": call, "name": f"Tool{number % TOOLS:02d}", "input": asked}
        yield {"role": "assistant", "content": [_text("I look at the next file. " * 4), use]}
        result = {"type": "tool_result", "tool_use_id": call, "content": [_text(_SOURCE)]}
        yield {"role": "user", "content": [result]}
    yield {"role": "assistant", "content": [_text("All files are read. " * 4)]}


def _tool(number: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        f"option_{index}": {
            "type": kind,
            "description": f"Option {index} of tool {number}: what the caller gives here, which values are "
            "allowed, and in one more sentence what happens when it is left out.",
        }
        for index, kind in enumerate(_KINDS)
    }
    properties["option_4"]["items"] = {"type": "string", "enum": ["north", "east", "south"]}
    properties["option_5"]["properties"] = {"nested": {"type": "string", "format": "uri"}}
    return {
        "name": f"Tool{number:02d}",
        "description": f"Does the work number {number} on the files of the project. " * 12,
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
            "required": ["option_0", "option_1"],
            "additionalProperties": False,
        },
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
