"""What a strict OpenAI-compatible server accepts as a chat completion request.

The key tables are those of the ``openai`` package's parameter types, and a test holds them against that package.
Pairing and order of tool messages are what hosted servers and chat templates insist on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

__all__ = ["EXTENSIONS", "problems"]

REQUEST_KEYS = frozenset({
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
    "web_search_options",
})  # fmt: skip

MESSAGE_KEYS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "tool_calls", "refusal", "audio", "function_call"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}

PART_KEYS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "prompt_cache_breakpoint"}),
    "image_url": frozenset({"type", "image_url", "prompt_cache_breakpoint"}),
    "input_audio": frozenset({"type", "input_audio", "prompt_cache_breakpoint"}),
    "file": frozenset({"type", "file", "prompt_cache_breakpoint"}),
    "refusal": frozenset({"type", "refusal"}),
}

ROLE_PARTS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text"}),
}

TOOL_KEYS = frozenset({"type", "function"})
FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
CALL_KEYS = frozenset({"id", "type", "function"})
CALL_FUNCTION_KEYS = frozenset({"name", "arguments"})
IMAGE_KEYS = frozenset({"url", "detail"})
FILE_KEYS = frozenset({"file_data", "file_id", "filename"})
STREAM_OPTION_KEYS = frozenset({"include_usage", "include_obfuscation"})
JSON_SCHEMA_KEYS = frozenset({"name", "description", "schema", "strict"})
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})

EXTENSIONS = frozenset({"chat_template_kwargs", "assistant.reasoning_content"})
"""Keys beyond OpenAI's that many self-hosted servers know: plain for the request, ``ROLE.KEY`` for a message."""

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
STOPS = 4


def problems(request: object, extensions: Collection[str] = EXTENSIONS) -> tuple[str, ...]:
    """Return everything that is wrong with ``request`` (decoded JSON), each with its path; nothing if it is valid."""
    if not isinstance(request, Mapping):
        return ("the body is not a JSON object",)
    return tuple(_request(request, extensions))


def _request(request: Mapping[str, Any], extensions: Collection[str]) -> Iterator[str]:
    plain = {name for name in extensions if "." not in name}
    yield from _unknown("", request, REQUEST_KEYS | plain)
    if not isinstance(request.get("model"), str) or not request["model"]:
        yield "model: is not a name"
    yield from _numbers(request)
    yield from _switches(request)
    tools = request.get("tools")
    yield from _tools(tools)
    yield from _tool_choice(request.get("tool_choice"), tools)
    yield from _messages(request.get("messages"), extensions)


def _unknown(where: str, value: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    for key in value:
        if key not in known:
            yield f"{where}{key}: unknown key"


def _numbers(request: Mapping[str, Any]) -> Iterator[str]:
    for key in ("max_tokens", "max_completion_tokens", "n"):
        value = request.get(key)
        if value is not None and (type(value) is not int or value < 1):
            yield f"{key}: is not a positive integer"
    for key, most in (("temperature", 2), ("top_p", 1)):
        value = request.get(key)
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= most):
            yield f"{key}: is not a number from 0 to {most}"


def _switches(request: Mapping[str, Any]) -> Iterator[str]:
    stream = request.get("stream", False)
    if type(stream) is not bool:
        yield "stream: is not a boolean"
    options = request.get("stream_options")
    if options is not None:
        if stream is not True:
            yield "stream_options: only with stream"
        yield from _unknown("stream_options.", options, STREAM_OPTION_KEYS)
    if "parallel_tool_calls" in request and not request.get("tools"):
        yield "parallel_tool_calls: only with tools"
    yield from _stop(request.get("stop"))
    if request.get("reasoning_effort") not in (None, *EFFORTS):
        yield "reasoning_effort: is not a known level"
    if "response_format" in request:
        yield from _response_format(request["response_format"])


def _stop(stop: object) -> Iterator[str]:
    if stop is None or isinstance(stop, str):
        return
    if not isinstance(stop, list) or not all(isinstance(one, str) and one for one in stop):
        yield "stop: is neither a string nor a list of strings"
    elif not 1 <= len(stop) <= STOPS:
        yield f"stop: has {len(stop)} entries, 1 to {STOPS} are allowed"


def _response_format(value: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, Mapping) or not NAME.fullmatch(str(schema.get("name", ""))):
            yield "response_format.json_schema: has no valid name"
        else:
            yield from _unknown("response_format.json_schema.", schema, JSON_SCHEMA_KEYS)
        yield from _unknown("response_format.", value, {"type", "json_schema"})
    elif kind in {"text", "json_object"}:
        yield from _unknown("response_format.", value, {"type"})
    else:
        yield "response_format.type: is unknown"


def _tools(tools: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        yield "tools: is not a list with something in it"
        return
    for at, tool in enumerate(tools):
        yield from _tool(f"tools[{at}]", tool)
    names = [name for name in map(_tool_name, tools) if name is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"tools: the name {name} is there twice"


def _tool(where: str, tool: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(tool, Mapping) or tool.get("type") != "function" or not isinstance(tool.get("function"), Mapping):
        yield f"{where}: is not a function"
        return
    function = tool["function"]
    yield from _unknown(f"{where}.", tool, TOOL_KEYS)
    yield from _unknown(f"{where}.function.", function, FUNCTION_KEYS)
    yield from _name(f"{where}.function.name", function.get("name"))
    if not isinstance(function.get("description", ""), str):
        yield f"{where}.function.description: is not a string"
    parameters = function.get("parameters", {"type": "object"})
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        yield f"{where}.function.parameters: is not the schema of an object"


def _tool_name(tool: Any) -> str | None:  # noqa: ANN401 - decoded JSON
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


def _name(where: str, name: object) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"{where}: is not 1 to 64 letters, digits, _ or -"


def _tool_choice(choice: Any, tools: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if choice is None:
        return
    if not tools:
        yield "tool_choice: only with tools"
    elif isinstance(choice, Mapping):
        name = _tool_name(choice)
        if choice.get("type") != "function" or name not in {_tool_name(tool) for tool in tools}:
            yield "tool_choice: names no tool of this request"
        yield from _unknown("tool_choice.", choice, TOOL_KEYS)
    elif choice not in ("none", "auto", "required"):
        yield "tool_choice: is unknown"


def _messages(messages: Any, extensions: Collection[str]) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(messages, list) or not messages:
        yield "messages: is not a list with something in it"
        return
    wrong = [f"messages[{at}]: is not an object" for at, one in enumerate(messages) if not isinstance(one, Mapping)]
    if wrong:
        yield from wrong
        return
    for at, message in enumerate(messages):
        yield from _message(f"messages[{at}]", message, extensions)
    yield from _pairs(messages)


def _message(where: str, message: Mapping[str, Any], extensions: Collection[str]) -> Iterator[str]:
    role = message.get("role")
    if not isinstance(role, str) or role not in MESSAGE_KEYS:
        yield f"{where}.role: is unknown"
        return
    added = {name.removeprefix(f"{role}.") for name in extensions if name.startswith(f"{role}.")}
    yield from _unknown(f"{where}.", message, MESSAGE_KEYS[role] | added)
    calls = message.get("tool_calls")
    if role == "assistant" and calls is not None:
        yield from _calls(f"{where}.tool_calls", calls)
    if not (role == "assistant" and calls and message.get("content") is None):
        yield from _content(f"{where}.content", message.get("content"), ROLE_PARTS[role])
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        yield f"{where}.tool_call_id: is not a string"


def _calls(where: str, calls: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(calls, list) or not calls:
        yield f"{where}: is not a list with something in it"
        return
    for at, call in enumerate(calls):
        yield from _call(f"{where}[{at}]", call)


def _call(where: str, call: Any) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(call, Mapping) or call.get("type") != "function" or not isinstance(call.get("function"), Mapping):
        yield f"{where}: is not a function call"
        return
    function = call["function"]
    yield from _unknown(f"{where}.", call, CALL_KEYS)
    yield from _unknown(f"{where}.function.", function, CALL_FUNCTION_KEYS)
    yield from _name(f"{where}.function.name", function.get("name"))
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield f"{where}.id: is not a string with something in it"
    if not _is_json_object(function.get("arguments")):
        yield f"{where}.function.arguments: is not the text of a JSON object"


def _is_json_object(text: object) -> bool:
    try:
        return isinstance(text, str) and isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _content(where: str, content: Any, allowed: Collection[str]) -> Iterator[str]:  # noqa: ANN401 - decoded JSON
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        yield f"{where}: is neither a string nor a list with something in it"
        return
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or kind not in allowed:
            yield f"{where}[{at}].type: {kind!r} is not allowed here"
        else:
            yield from _unknown(f"{where}[{at}].", part, PART_KEYS[kind])
            yield from _part(f"{where}[{at}]", kind, part)


def _part(where: str, kind: str, part: Mapping[str, Any]) -> Iterator[str]:
    inner = part.get(kind)
    if kind in {"text", "refusal"}:
        if not isinstance(inner, str):
            yield f"{where}.{kind}: is not a string"
    elif not isinstance(inner, Mapping):
        yield f"{where}.{kind}: is not an object"
    elif kind == "image_url":
        yield from _unknown(f"{where}.image_url.", inner, IMAGE_KEYS)
        if not str(inner.get("url", "")).startswith(("data:image/", "https://", "http://")):
            yield f"{where}.image_url.url: is neither an address nor a data URL of an image"
    elif kind == "file":
        yield from _unknown(f"{where}.file.", inner, FILE_KEYS)
        if not isinstance(inner.get("file_data", inner.get("file_id")), str):
            yield f"{where}.file: has neither file_data nor file_id"


def _pairs(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Hold tool messages against the calls that they answer: directly after them, each once, in the same order."""
    expected: list[str] = []
    for at, (message, following) in enumerate(pairwise([{}, *messages, {"role": "end"}])):
        if message.get("role") == "assistant":
            expected = [str(call.get("id")) for call in message.get("tool_calls") or () if isinstance(call, Mapping)]
            yield from _repeated(f"messages[{at - 1}].tool_calls", expected)
        elif message.get("role") == "tool":
            yield from _answered(f"messages[{at - 1}]", message, expected)
        if expected and following.get("role") != "tool":
            yield f"messages[{at}]: the tool calls {', '.join(expected)} have no answer before it"
            expected = []


def _repeated(where: str, ids: Sequence[str]) -> Iterator[str]:
    if len(set(ids)) < len(ids):
        yield f"{where}: an id is there twice"


def _answered(where: str, message: Mapping[str, Any], expected: list[str]) -> Iterator[str]:
    told = str(message.get("tool_call_id"))
    if told not in expected:
        yield f"{where}: answers no call of the assistant message before it"
        return
    if told != expected[0]:
        yield f"{where}: answers {told} before {expected[0]}, which was called first"
    expected.remove(told)
