"""What a strict server accepts as a request of the Responses API.

The key tables are those of the ``openai`` package's parameter types, as far as the bridge uses them, and a test holds
them against that package. Pairs of calls and results, and the place of reasoning, are what OpenAI insists on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["problems"]

REQUEST_KEYS = frozenset({
    "include", "input", "instructions", "max_output_tokens", "model", "parallel_tool_calls", "prompt_cache_key",
    "reasoning", "store", "stream", "temperature", "text", "tool_choice", "tools", "top_p",
})  # fmt: skip

ITEM_KEYS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"type", "role", "content", "phase"}),
    "function_call": frozenset({"type", "call_id", "name", "arguments"}),
    "function_call_output": frozenset({"type", "call_id", "output"}),
    "reasoning": frozenset({"type", "id", "summary", "encrypted_content"}),
}
PART_KEYS: Mapping[str, frozenset[str]] = {
    "input_text": frozenset({"type", "text"}),
    "input_image": frozenset({"type", "image_url", "detail"}),
    "input_file": frozenset({"type", "filename", "file_data"}),
}
TOOL_KEYS = frozenset({"type", "name", "description", "strict", "parameters"})
ROLES = frozenset({"user", "assistant", "system", "developer"})
LEAST_LIMIT = 16


def problems(request: object) -> tuple[str, ...]:
    """Return everything that is wrong with ``request`` (decoded JSON), each with its path; nothing if it is valid."""
    if not isinstance(request, Mapping):
        return ("the body is not a JSON object",)
    return tuple(_request(request))


def _request(request: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown("", request, REQUEST_KEYS)
    if not isinstance(request.get("model"), str) or not request["model"]:
        yield "model: is not a name"
    limit = request.get("max_output_tokens")
    if limit is not None and limit < LEAST_LIMIT:
        yield f"max_output_tokens: is below {LEAST_LIMIT}"
    tools = request.get("tools", [])
    for index, tool in enumerate(tools):
        yield from _tool(f"tools[{index}].", tool)
    if not tools and ("tool_choice" in request or "parallel_tool_calls" in request):
        yield "tools: are missing"
    items = request.get("input")
    if not isinstance(items, list) or not items:
        yield "input: is empty"
    else:
        yield from _input(items)


def _tool(path: str, tool: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(path, tool, TOOL_KEYS)
    if tool.get("type") != "function" or not isinstance(tool.get("parameters"), Mapping):
        yield f"{path}type: is not a function with parameters"
    if not isinstance(tool.get("strict"), bool):
        yield f"{path}strict: is missing"


def _input(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    calls: list[str] = []
    results: list[str] = []
    for index, item in enumerate(items):
        path, kind = f"input[{index}].", item.get("type", "")
        if kind not in ITEM_KEYS:
            yield f"{path}type: is none of the known ones"
            continue
        yield from _unknown(path, item, ITEM_KEYS[kind])
        if kind == "message":
            yield from _message(path, item)
        elif kind == "function_call":
            calls.append(item["call_id"])
        elif kind == "function_call_output":
            results.append(item["call_id"])
            yield from _content(f"{path}output", item["output"])
            if item["call_id"] not in calls:
                yield f"{path}call_id: No tool call found for function call output with call_id {item['call_id']}"
        elif not _is_followed(items[index + 1 :]):
            yield f"{path}id: Item {item['id']!r} of type 'reasoning' was provided without its required following item"
    yield from (f"input: No tool output found for function call {each}" for each in calls if results.count(each) != 1)


def _is_followed(rest: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether something of the model stands behind its reasoning."""
    following = rest[0] if rest else {}
    return following.get("type") in {"function_call", "reasoning"} or following.get("role") == "assistant"


def _message(path: str, item: Mapping[str, Any]) -> Iterator[str]:
    if item.get("role") not in ROLES:
        yield f"{path}role: is none of the known ones"
    if item.get("role") == "assistant" and not isinstance(item.get("content"), str):
        yield f"{path}content: is not text"
    yield from _content(f"{path}content", item.get("content"))


def _content(path: str, content: object) -> Iterator[str]:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        yield f"{path}: is neither text nor parts"
        return
    for index, part in enumerate(content):
        kind = part.get("type", "")
        yield from _unknown(f"{path}[{index}].", part, PART_KEYS.get(kind, frozenset()))


def _unknown(path: str, value: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    yield from (f"{path}{key}: Unknown parameter" for key in value if key not in known)
