"""Holds requests against the parameter types of the official ``openai`` package, and against what they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter

from claude_bridge.testing.requests import problems

_CHECK = TypeAdapter(tuple[CompletionCreateParamsStreaming], config=ConfigDict(extra="forbid", strict=True))
"""Nothing unknown at any level; the tuple is there because pydantic takes no settings for a bare TypedDict."""

ANTHROPIC_ONLY = frozenset({
    "cache_control", "citations", "signature", "thinking", "is_error", "tool_use_id", "tool_use", "tool_result",
    "tool_reference", "defer_loading", "input_schema", "stop_sequences", "system", "metadata", "context_management",
    "output_config", "safeguards", "source", "media_type", "budget_tokens", "disable_parallel_tool_use",
})  # fmt: skip
"""Keys that the Messages API has and chat completions have not."""


def check(sent: Mapping[str, Any]) -> None:
    """Fail unless ``sent`` is a valid request whose calls are answered in order, with no Anthropic-only key."""
    assert problems(sent) == ()
    official = json.loads(json.dumps(sent))
    for message in official["messages"]:
        message.pop("reasoning_content", None)  # the one key beyond OpenAI's own: self-hosted servers read it
    (checked,) = _CHECK.validate_python((official,))
    assert _exhausted(checked) == official
    without_schemas = {key: value for key, value in sent.items() if key not in {"tools", "response_format"}}
    assert not ANTHROPIC_ONLY & set(_keys(without_schemas))
    tools = sent.get("tools", ())
    assert not any(ANTHROPIC_ONLY & {*tool, *tool["function"]} for tool in tools)


def _exhausted(value: Any) -> Any:
    """Read lists to their end: pydantic checks the items of an ``Iterable`` only then."""
    if isinstance(value, dict):
        return {key: _exhausted(item) for key, item in value.items()}
    if isinstance(value, list) or hasattr(value, "__next__"):
        return [_exhausted(item) for item in value]
    return value


def _keys(value: object) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(item)
    if isinstance(value, dict):
        yield from value


def spoken(value: object) -> str:
    """Return every string in decoded JSON, arguments unpacked, in one text to search in."""
    return "\0".join(_strings(value))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(json.loads(item) if key == "arguments" and isinstance(item, str) else item)


MARKERS = frozenset({"type", "role", "id", "tool_use_id", "signature", "cache_control", "citations", "media_type"})
"""Keys whose values nobody said."""


def said(value: object, key: str = "") -> Iterator[str]:
    """Yield every string that a person, a tool or the model said in a request's ``messages`` or ``system``."""
    if isinstance(value, str):
        if value and key not in MARKERS:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from said(item, key)
    elif isinstance(value, dict) and value.get("type") not in {"thinking", "redacted_thinking"}:
        for name, item in value.items():
            if name not in MARKERS and name != "output_config":
                yield from said(item, name)
