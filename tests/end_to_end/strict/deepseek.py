"""DeepSeek's API with V4, and with the reasoner before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import (
    Problem,
    Service,
    answers_of,
    calls_of,
    empty_answers,
    json_problems,
    last_question,
    seal,
)

KNOWN = REQUEST_KEYS - {"max_completion_tokens", "parallel_tool_calls", "store", "metadata"} | {"thinking"}
CODED = {"code": "invalid_request_error"}
UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "(insufficient tool messages following tool_calls message)"
)


@define(eq=False)
class DeepSeek(Service):
    """What V4 and the reasoner have in common.

    JSON schemas are "unavailable", JSON must be spoken of (api-docs.deepseek.com, JSON output; LiteLLM 7580).
    Words: CodexPlusPlus 329 (calls without results), DeepSeek-V3 1376, any-llm 1384 and opencode-mem 253 (no tool is
    forced while it thinks; one of them has ``auto`` refused, too), opencode-go-copilot 24 (thinking alone).
    """

    dialect = "deepseek"
    fields = KNOWN
    remembers = frozenset({"reasoning_content", "prefix"})

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse unpaired calls and a tool choice beside thinking."""
        if request.get("response_format", {}).get("type") == "json_schema":
            yield Problem("This response_format type is unavailable now", more=CODED)
        yield from json_problems(request, "Prompt must contain the word 'json' in some form to use 'response_format'")
        if any(empty_answers(request)):
            yield Problem("Invalid assistant message: content or tool_calls must be set", more=CODED)
        for at, message in answers_of(request):
            following = request["messages"][at + 1 : at + 1 + len(calls_of(message))]
            wanted = {call["id"] for call in calls_of(message)}
            if {one.get("tool_call_id") for one in following} != wanted:
                yield Problem(UNANSWERED, more=CODED)
        if self.thinks(request):
            if request.get("tool_choice", "none") != "none":
                yield Problem("Thinking mode does not support this tool_choice", more=CODED)
            yield from self.history_problems(request)

    def thinks(self, request: dict[str, Any]) -> bool:
        """Return whether the model thinks, as it does unless told otherwise."""
        return bool(request.get("thinking", {}).get("type") != "disabled")

    def history_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse a history without what the model has thought."""
        raise NotImplementedError

    def call_id(self, name: str, number: int) -> str:
        """Make ids as the service does: ``call_00_`` and twenty letters."""
        return f"call_00_{seal(self.dialect, name, number)[:20]}"


@define(eq=False)
class DeepSeekV4(DeepSeek):
    """V4.

    Every turn of the assistant has its thinking, also those of other models (pi 3636, oai-compatible-copilot
    215), and effort has three words (docs/chat-completions.md 1.6).
    """

    model: str = "deepseek-v4-flash"
    wants: ClassVar[str] = "all"

    def history_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse a turn without thinking."""
        for _, message in answers_of(request):
            if not message.get("reasoning_content"):
                told = "The `reasoning_content` in the thinking mode must be passed back to the API."
                yield Problem(told, more=CODED)
        if request.get("reasoning_effort") not in {None, "low", "high", "max"}:
            yield Problem("Invalid reasoning_effort value", 422, CODED)


@define(eq=False)
class DeepSeekReasoner(DeepSeek):
    """The reasoner before V4.

    Thinking beside calls must come back while no user has spoken since (continue 9606); that from before the last
    question must not (AI SDK deepseek 2.0.69; the words of this refusal are not known). A user message right behind
    tool results is no question.
    """

    model: str = "deepseek-reasoner"
    wants: ClassVar[str] = "question"

    def history_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse missing and stale thinking."""
        question = last_question(request["messages"])
        spoken = max(at for at, message in enumerate(request["messages"]) if message["role"] == "user")
        for at, message in answers_of(request):
            if at < question and "reasoning_content" in message:
                yield Problem(f"The reasoning_content of the message at index {at} must not be sent", more=CODED)
            elif at > spoken and calls_of(message) and "reasoning_content" not in message:
                yield Problem(
                    f"Missing `reasoning_content` field in the assistant message at message index {at}. For more "
                    "information, please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls",
                    more=CODED,
                )
