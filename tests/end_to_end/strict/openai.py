"""OpenAI's API with a model that reasons but not beside tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define

from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import Problem, Service, answers_of, calls_of, seal

LONGEST_ID = 40


@define(eq=False)
class OpenAI(Service):
    """gpt-5.6.

    Tools need ``reasoning_effort: none``, nothing said is not enough (litellm 34569); ``max_tokens``, ``temperature``
    and ``stop`` have successors or none; fields that it does not know are named; calls and ids are checked. It shows
    nothing of its thinking.
    """

    model: str = "gpt-5.6-terra"
    dialect = "openai"
    thinks_in = ""

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what OpenAI refuses."""
        if request.get("tools") and request.get("reasoning_effort") != "none":
            yield Problem(
                f"Function tools with reasoning_effort are not supported for {self.model} in /v1/chat/completions. To "
                "use function tools, use /v1/responses or set reasoning_effort to 'none'.",
                more={"param": "reasoning_effort", "code": None},
            )
        if "max_tokens" in request:
            yield unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
        if "stop" in request:
            yield unsupported("stop")
        if request.get("temperature", 1) != 1:
            told = "Unsupported value: 'temperature' does not support {} with this model. Only the default (1) value is"
            yield Problem(f"{told.format(request['temperature'])} supported.", more={"code": "unsupported_value"})
        for key in request.keys() - REQUEST_KEYS:
            yield Problem(f"Unknown parameter: '{key}'.", more={"param": key, "code": "unknown_parameter"})
        for at, message in answers_of(request):
            yield from self.answer_problems(at, message, request["messages"])

    def answer_problems(self, at: int, message: dict[str, Any], messages: list[dict[str, Any]]) -> Iterator[Problem]:
        """Refuse an answer of the history."""
        for key in message.keys() - {"role", "content", "tool_calls", "name", "refusal"}:
            where = f"messages[{at}].{key}"
            yield Problem(f"Unknown parameter: '{where}'.", more={"param": where, "code": "unknown_parameter"})
        calls = calls_of(message)
        results = {one.get("tool_call_id") for one in messages[at + 1 : at + 1 + len(calls)] if one["role"] == "tool"}
        open_calls = [call["id"] for call in calls if call["id"] not in results]
        if open_calls:
            yield Problem(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
            )
        for number, call in enumerate(calls):
            if len(call["id"]) > LONGEST_ID:
                where = f"messages[{at}].tool_calls[{number}].id"
                told = (
                    f"Expected a string with maximum length 40, but got a string with length {len(call['id'])} instead."
                )
                yield Problem(f"Invalid '{where}': string too long. {told}", more={"code": "string_above_max_length"})

    def call_id(self, name: str, number: int) -> str:
        """Make ids as OpenAI does."""
        return f"call_{seal(self.dialect, name, number)[:24]}"


def unsupported(name: str, instead: str = "") -> Problem:
    """Refuse a field."""
    told = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
    return Problem(told, more={"param": name, "code": "unsupported_parameter"})
