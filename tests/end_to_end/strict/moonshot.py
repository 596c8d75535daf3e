"""Moonshot's API with Kimi K2.5, K2.6 and K2.7."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, error, events, sse, token_usage
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.schemas import moonshot_problems
from tests.end_to_end.strict.service import ModelTurn, Problem, Service, answers_of, calls_of, empty_answers

ID = re.compile(r"functions\.([A-Za-z0-9_-]+):([0-9]+)")


@define(eq=False)
class Moonshot(Service):
    """Kimi.

    Refused: calls without thinking (FastGPT 6357 has the whole body), temperatures and top_p but one (inkos 174,
    nanobot 4967), forced tools while it thinks (LiteLLM 1.109), ``thinking`` that a family does not take (Kimi-K2 141;
    AI SDK moonshotai 2.0.61 for ``keep``), schemas that are not "moonshot flavored" (see `schemas`), answers without
    words or calls (kimi-code 1985). Ids that look like its own must be its own: the name in it is the function's.

    :ivar repeats: ids begin at 0 in every answer, so they come again and again (docs/chat-completions.md 1.8).
    """

    model: str = "kimi-k2.5"
    repeats: bool = False
    dialect = "moonshot"
    fields = REQUEST_KEYS | {"thinking"}
    remembers = frozenset({"reasoning_content", "partial"})
    wants: ClassVar[str] = "calls"

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what Kimi refuses."""
        yield from self.field_problems(request)
        for at in empty_answers(request):
            yield Problem(f"the message at position {at} with role 'assistant' must not be empty")
        for at, message in answers_of(request):
            yield from self.id_problems(at, message)
        for tool in request.get("tools", ()):
            for told in moonshot_problems(tool["function"].get("parameters", {})):
                yield Problem(f"Invalid request: {told}")

    def field_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse fields."""
        thinking = request.get("thinking", {"type": "enabled"})
        if request.get("response_format", {}).get("type") == "json_schema":
            yield Problem("Invalid request: unsupported response_format type json_schema")
        if "k2.7" in self.model and thinking["type"] != "enabled":
            yield Problem("invalid thinking: only type=enabled is allowed for this model")
        if "keep" in thinking and not re.search(r"k2\.[67]", self.model):
            yield Problem("invalid thinking: keep is not supported for this model")
        if request.get("temperature", 1) != 1:
            yield Problem("invalid temperature: only 1 is allowed for this model")
        if request.get("top_p", 0.95) != 0.95:
            yield Problem("invalid top_p: only 0.95 is allowed for this model")
        if thinking["type"] == "enabled":
            yield from self.thinking_problems(request)

    def thinking_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what does not go with thinking."""
        choice = request.get("tool_choice", "auto")
        if choice not in ("auto", "none"):
            kind = choice if isinstance(choice, str) else "specified"
            yield Problem(f"tool_choice '{kind}' is incompatible with thinking enabled")
        for at, message in answers_of(request):
            if calls_of(message) and not message.get("reasoning_content"):
                yield Problem(
                    f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {at}"
                )

    def id_problems(self, at: int, message: dict[str, Any]) -> Iterator[Problem]:
        """Refuse ids that were its own once."""
        for call in calls_of(message):
            own = ID.fullmatch(call["id"])
            if own is None and call["id"].startswith("functions"):
                yield Problem(f"Invalid request: tool_call_id {call['id']} at index {at} is not found")
            if own is not None and own[1] != call["function"]["name"]:
                yield Problem(f"Invalid request: tool_call_id {call['id']} at index {at} is not found")

    def refuse(self, problem: Problem) -> Answer:
        """Refuse as Moonshot does: message and type only."""
        return error(problem.status, {"error": {"message": problem.message, "type": "invalid_request_error"}})

    def call_id(self, name: str, number: int) -> str:
        """Make native ids, which say the function and a number."""
        return f"functions.{name}:{number}"

    def made(self, request: dict[str, Any], said: ModelTurn) -> Iterator[ToolCall]:
        """Number the calls through the conversation, or through the answer."""
        return super().made({"messages": []} if self.repeats else request, said)

    def answer(self, request: dict[str, Any], said: ModelTurn) -> Answer:
        """Put usage onto the last choice (AI SDK moonshotai)."""
        chunks = [self.chunk(delta) for delta in self.deltas(request, said)]
        last = self.chunk({}, finish="length" if said.cut else self.finish(said))
        last["choices"][0]["usage"] = {**token_usage(20, 7), "cached_tokens": 4}
        return sse(events([*chunks, last]))
