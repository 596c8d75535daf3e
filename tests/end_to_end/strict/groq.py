"""Groq's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import error
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import Problem, Service

ASSISTANT = {"role", "content", "name", "tool_calls", "reasoning"}


@define(eq=False)
class Groq(Service):
    """A reasoning model at Groq.

    Takes ``reasoning`` of the history and nothing else that it does not know (jan 8136,
    hermes-agent 11089, gptel 774); effort of gpt-oss has three words (AI SDK groq 3.0.71).
    """

    model: str = "openai/gpt-oss-120b"
    dialect = "groq"
    fields = REQUEST_KEYS | {"reasoning_format", "include_reasoning"}
    remembers = frozenset({"reasoning"})
    thinks_in = "reasoning"
    wants: ClassVar[str] = "question"

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what Groq refuses."""
        for key in request.keys() - self.fields:
            yield Problem(f"property '{key}' is unsupported")
        for at, message in enumerate(request["messages"]):
            for key in message.keys() - ASSISTANT if message["role"] == "assistant" else ():
                yield Problem(
                    f"'messages.{at}' : for 'role:assistant' the following must be satisfied[('messages.{at}' : "
                    f"property '{key}' is unsupported)]"
                )
        if request.get("response_format", {}).get("type") == "json_schema" and request.get("stream"):
            yield Problem("Streaming and tool use are not currently supported with Structured Outputs")
        if request.get("reasoning_effort") not in {None, "low", "medium", "high"}:
            yield Problem("`reasoning_effort` must be one of `low`, `medium`, or `high`")

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with message and type."""
        return error(problem.status, {"error": {"message": problem.message, "type": "invalid_request_error"}})
