"""DashScope's path for OpenAI clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import error
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.openrouter import OpenRouter
from tests.end_to_end.strict.service import Problem, Service, json_problems

ALGORITHM = "<400> InternalError.Algo.InvalidParameter: "


@define(eq=False)
class DashScope(Service):
    """Qwen.

    No forced tool while it thinks (eino 994), thinking only in streams (langchain4j 3974), a budget above zero
    (Qwen-Agent 941).
    """

    model: str = "qwen3.7-plus"
    dialect = "dashscope"
    fields = REQUEST_KEYS | {"enable_thinking", "thinking_budget", "preserve_thinking", "top_k"}
    remembers = frozenset({"reasoning_content", "partial"})
    wants: ClassVar[str] = "all"

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what DashScope refuses."""
        yield from json_problems(request, f"{ALGORITHM}'messages' must contain the word 'json' in some form")
        if request.get("response_format", {}).get("type") == "json_schema":
            yield Problem("'response_format' of type 'json_schema' is not supported with this model")
        if not request.get("enable_thinking"):
            return
        if request.get("tool_choice", "auto") not in ("auto", "none"):
            told = "The tool_choice parameter does not support being set to required or object in thinking mode"
            yield Problem(ALGORITHM + told)
        if not request.get("stream"):
            yield Problem("parameter.enable_thinking must be set to false for non-streaming calls")
        if request.get("thinking_budget", 1) < 1:
            yield Problem(f"{ALGORITHM}The thinking_budget parameter must be a positive integer and not greater than 0")

    plain = OpenRouter.plain

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with the id beside the error."""
        told = {"message": problem.message, "type": "invalid_request_error", "param": None}
        return error(problem.status, {"error": {**told, "code": "invalid_parameter_error"}, "request_id": "5bf78562"})
