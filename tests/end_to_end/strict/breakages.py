"""Requests that a service must refuse: good ones, broken in one place each, and the words of the refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

__all__ = ["BREAKAGES", "Breakage"]

Break = Callable[[dict[str, Any]], object]


@frozen
class Breakage:
    """One way to break a request.

    :ivar service: the name of the service.
    :ivar words: what the refusal's body says of it.
    """

    service: str
    name: str
    words: str
    broken: Break
    status: int = 400


def calling(request: dict[str, Any]) -> dict[str, Any]:
    """Return the first message with calls."""
    found: dict[str, Any] = next(one for one in request["messages"] if one.get("tool_calls"))
    return found


def without(name: str) -> Break:
    """Take a field from the message with calls."""
    return lambda request: calling(request).pop(name)


def without_thinking(request: dict[str, Any]) -> None:
    """Take the thinking from the message with calls, and the user's reminder from behind their results."""
    assert request["messages"].pop()["role"] == "user"
    del calling(request)["reasoning_content"]


def with_field(name: str, value: Any) -> Break:
    """Put a field into the message with calls."""
    return lambda request: calling(request).update({name: value})


def asking(**fields: Any) -> Break:
    """Set fields of the request."""
    return lambda request: request.update(fields)


def without_result(request: dict[str, Any]) -> None:
    """Take away the result of the first call."""
    request["messages"] = [one for one in request["messages"] if one.get("tool_call_id") != id_of(request)]


def id_of(request: dict[str, Any]) -> str:
    """Return the first call's id."""
    return str(calling(request)["tool_calls"][0]["id"])


def with_ids(identifier: str) -> Break:
    """Rename the first call."""

    def rename(request: dict[str, Any]) -> None:
        old = id_of(request)
        calling(request)["tool_calls"][0]["id"] = identifier
        for message in request["messages"]:
            if message.get("tool_call_id") == old:
                message["tool_call_id"] = identifier

    return rename


def with_message(role: str, content: str) -> Break:
    """Put a message at the end."""
    return lambda request: request["messages"].append({"role": role, "content": content})


def with_empty_answer(request: dict[str, Any]) -> None:
    """Let the assistant have thought, and said nothing."""
    request["messages"] += [
        {"role": "assistant", "content": "", "reasoning_content": "Hm"},
        {"role": "user", "content": "Go on."},
    ]


def with_another_question(request: dict[str, Any]) -> None:
    """Let the assistant end its turn and the user ask again."""
    with_message("assistant", "They differ.")(request)
    with_message("user", "And now?")(request)


def with_schema(**keys: Any) -> Break:
    """Put keys into the schema of the first tool."""
    return lambda request: request["tools"][0]["function"]["parameters"].update(keys)


def with_property(schema: object) -> Break:
    """Put a property into the schema of the first tool."""
    return lambda request: request["tools"][0]["function"]["parameters"]["properties"].update(odd=schema)


def signed(signature: str | None) -> Break:
    """Change or remove the first call's signature."""

    def change(request: dict[str, Any]) -> None:
        call = calling(request)["tool_calls"][0]
        if signature is None:
            del call["extra_content"]
        else:
            call["extra_content"]["google"]["thought_signature"] = signature

    return change


def detailed(key: str, value: str) -> Break:
    """Change a detail of the reasoning."""
    return lambda request: calling(request)["reasoning_details"][0].update({key: value})


def without_users(request: dict[str, Any]) -> None:
    """Take away what the user says."""
    request["messages"] = [one for one in request["messages"] if one["role"] != "user"]


def silent_json(request: dict[str, Any]) -> None:
    """Ask for JSON without a word of it."""
    request.update(messages=[{"role": "user", "content": "Hi"}], response_format={"type": "json_object"})


SHAPE = {"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "Read"}}
LONG = "call_" + "x" * 36
EITHER = {"type": "object", "anyOf": [{"type": "object"}, {"type": "object"}]}

BREAKAGES = (
    Breakage("deepseek-v4", "no thinking", "must be passed back to the API.", without("reasoning_content")),
    Breakage("deepseek-v4", "empty thinking", "must be passed back", with_field("reasoning_content", "")),
    Breakage("deepseek-v4", "forced", "Thinking mode does not support this tool_choice", asking(tool_choice=NAMED)),
    Breakage("deepseek-v4", "effort", "Invalid reasoning_effort", asking(reasoning_effort="xhigh"), 422),
    Breakage("deepseek-v4", "open call", "insufficient tool messages", without_result),
    Breakage("deepseek-v4", "empty answer", "content or tool_calls must be set", with_empty_answer),
    Breakage("deepseek-v4", "schema", "type is unavailable now", asking(response_format=SHAPE)),
    Breakage("deepseek-v4", "silent JSON", "must contain the word 'json'", silent_json),
    Breakage("deepseek-reasoner", "no thinking", "Missing `reasoning_content` field", without_thinking),
    Breakage("deepseek-reasoner", "stale thinking", "must not be sent", with_another_question),
    Breakage("kimi-k2.5", "no thinking", "reasoning_content is missing in assistant", without("reasoning_content")),
    Breakage("kimi-k2.5", "temperature", "only 1 is allowed for this model", asking(temperature=0.5)),
    Breakage("kimi-k2.5", "top_p", "only 0.95 is allowed", asking(top_p=0.5)),
    Breakage("kimi-k2.5", "forced", "incompatible with thinking enabled", asking(tool_choice="required")),
    Breakage("kimi-k2.5", "keep", "keep is not supported", asking(thinking={"type": "enabled", "keep": "all"})),
    Breakage("kimi-k2.5", "id", "is not found", with_ids("functions.Write:0")),
    Breakage("kimi-k2.5", "mangled id", "is not found", with_ids("functions_Read_0")),
    Breakage("kimi-k2.5", "type beside anyOf", "type should be defined in anyOf items", with_property(EITHER)),
    Breakage("kimi-k2.5", "reference", "must start with #/$defs/", with_property({"$ref": "#/definitions/F"})),
    Breakage("kimi-k2.5", "tuple", "items must be an object", with_property({"type": "array", "items": [{}]})),
    Breakage("kimi-k2.5", "undefined", "'x' is not defined in properties", with_schema(required=["x"])),
    Breakage("kimi-k2.5", "no object", 'is required and must be \\"object\\"', with_schema(type="string")),
    Breakage("kimi-k2.5", "empty answer", "with role 'assistant' must not be empty", with_empty_answer),
    Breakage("kimi-k2.5", "schema of the answer", "response_format", asking(response_format=SHAPE)),
    Breakage("kimi-k2.7", "thinking off", "only type=enabled is allowed", asking(thinking={"type": "disabled"})),
    Breakage("gemini", "unsigned", "Function call is missing a thought_signature in functionCall parts", signed(None)),
    Breakage("gemini", "changed signature", "Corrupted thought signature.", signed("QUFBQQ==")),
    Breakage("gemini", "open call", "number of function response parts is equal", without_result),
    Breakage("gemini", "empty answer", "contents.parts must not be empty", with_message("assistant", "")),
    Breakage("gemini", "$schema", 'Unknown name \\"$schema\\"', with_schema(**{"$schema": "x"})),
    Breakage("gemini", "additionalProperties", "Cannot find field", with_property({"additionalProperties": False})),
    Breakage("gemini", "types", "Proto field is not repeating", with_property({"type": ["string", "null"]})),
    Breakage("gemini", "thinking", 'Unknown name \\"reasoning_content\\"', with_field("reasoning_content", "Hm")),
    Breakage("gemini", "field", 'Unknown name \\"parallel_tool_calls\\"', asking(parallel_tool_calls=False)),
    Breakage("mistral", "id", "must be a-z, A-Z, 0-9, with a length of 9.", with_ids("call_1234")),
    Breakage("mistral", "thinking", "Extra inputs are not permitted", with_field("reasoning_content", "Hm"), 422),
    Breakage("mistral", "stream_options", "extra_forbidden", asking(stream_options={"include_usage": True}), 422),
    Breakage("mistral", "limit", "extra_forbidden", asking(max_completion_tokens=5), 422),
    Breakage("mistral", "named tool", "Input should be 'auto', 'none' or 'any'", asking(tool_choice=NAMED), 422),
    Breakage("mistral", "effort", "is not supported for this model", asking(reasoning_effort="low")),
    Breakage("mistral", "order", "Unexpected role 'user' after role 'tool'", with_message("user", "Stop.")),
    Breakage("mistral", "system", "Unexpected role 'system' after role 'tool'", with_message("system", "Note.")),
    Breakage("mistral", "last", "Expected last role User or Tool", with_message("assistant", "Well")),
    Breakage("mistral", "empty answer", "must have either content or tool_calls", with_message("assistant", "")),
    Breakage("mistral", "open call", "Not the same number of function calls and responses", without_result),
    Breakage("glm-5.2", "forced", "Tool choice must be auto", asking(tool_choice="required")),
    Breakage("glm-5.2", "stream_options", "Invalid API parameter", asking(stream_options={"include_usage": True})),
    Breakage("glm-5.2", "strict", "1210", lambda request: request["tools"][0]["function"].update(strict=True)),
    Breakage("glm-5.2", "no tools", "1210", lambda request: (request.pop("tools"), request.update(tool_choice="auto"))),
    Breakage("glm-5.2", "schema", "Invalid API parameter", asking(response_format=SHAPE)),
    Breakage("glm-5.2", "no user", "The messages parameter is illegal", without_users),
    Breakage("openrouter-claude", "changed", "Invalid `signature` in `thinking` block", detailed("text", "Hmm")),
    Breakage("openrouter-claude", "no thinking", "must start with a thinking block", without("reasoning_details")),
    Breakage("openrouter-gpt", "changed", "could not be verified", detailed("data", "AAAA")),
    Breakage("openrouter-gpt", "no thinking", "without its required 'reasoning' item", without("reasoning_details")),
    Breakage("openai", "effort", "Function tools with reasoning_effort", asking(reasoning_effort="low")),
    Breakage("openai", "nothing said", "not supported", lambda request: request.pop("reasoning_effort")),
    Breakage("openai", "max_tokens", "Use 'max_completion_tokens' instead.", asking(max_tokens=5)),
    Breakage("openai", "stop", "Unsupported parameter: 'stop'", asking(stop=["x"])),
    Breakage("openai", "temperature", "Only the default (1) value is supported.", asking(temperature=0.5)),
    Breakage("openai", "field", "Unknown parameter: 'thinking'.", asking(thinking={"type": "enabled"})),
    Breakage("openai", "thinking", "].reasoning_content'.", with_field("reasoning_content", "Hm")),
    Breakage("openai", "long id", "Expected a string with maximum length 40", with_ids(LONG)),
    Breakage("openai", "open call", "tool_call_ids did not have response messages", without_result),
    Breakage("groq", "thinking", "property 'reasoning_content' is unsupported", with_field("reasoning_content", "Hm")),
    Breakage("groq", "field", "property 'thinking' is unsupported", asking(thinking={"type": "enabled"})),
    Breakage("groq", "effort", "must be one of `low`, `medium`, or `high`", asking(reasoning_effort="none")),
    Breakage("groq", "schema", "not currently supported with Structured", asking(response_format=SHAPE)),
    Breakage("xai", "stop", "Argument not supported on this model: stop", asking(stop=["x"])),
    Breakage("xai", "penalty", "on this model: presencePenalty", asking(presence_penalty=0)),
    Breakage("xai", "effort", "on this model: reasoningEffort", asking(reasoning_effort="low")),
    Breakage("dashscope", "forced", "does not support being set to required", asking(tool_choice="required")),
    Breakage("dashscope", "unstreamed", "must be set to false for non-streaming calls", asking(stream=False)),
    Breakage("dashscope", "budget", "must be a positive integer", asking(thinking_budget=0)),
    Breakage("dashscope", "schema", "'json_schema' is not supported", asking(response_format=SHAPE)),
    Breakage("dashscope", "silent JSON", "must contain the word 'json'", silent_json),
    Breakage("llamacpp", "order", "conversation roles must alternate", with_message("user", "Stop."), 500),
    Breakage("llamacpp", "system", "System message must be at the beginning.", with_message("system", "N."), 500),
    Breakage("llamacpp", "named tool", "Invalid tool_choice", asking(tool_choice=NAMED), 500),
    Breakage("vllm", "order", "conversation roles must alternate", with_message("user", "Stop.")),
    Breakage("vllm", "system", "System message must be at the beginning.", with_message("system", "N.")),
)
