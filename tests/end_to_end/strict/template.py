"""Servers of one's own whose model comes with a chat template that raises errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import error
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import Problem, Service, calls_of

TURNS = (
    "After the optional system message, conversation roles must alternate user and assistant roles except for tool "
    "calls and results."
)
FIRST = "System message must be at the beginning."
PLACE = "\n------------\nWhile executing CallExpression at line 189, column 32 in source:\n...== 0) %}↵            {{- "
"""Where llama.cpp says that an exception was raised."""


@define(eq=False)
class Template(Service):
    """The rules of a template.

    :ivar alternating: user and assistant take turns, calls and results aside: Mistral's templates (llama.cpp 19851).
    :ivar system_first: a system message stands at the very beginning: Qwen's templates.
    """

    alternating: bool = True
    system_first: bool = True
    remembers = frozenset({"reasoning_content"})
    wants: ClassVar[str] = "question"

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Render the conversation, or raise what the template raises."""
        messages = request["messages"]
        if self.system_first and any(one["role"] == "system" for one in messages[1:]):
            yield self.raised(FIRST)
        spoken = [one["role"] for one in messages if one["role"] in {"user", "assistant"} and not calls_of(one)]
        if self.alternating and spoken != (["user", "assistant"] * len(spoken))[: len(spoken)]:
            yield self.raised(TURNS)

    def raised(self, message: str) -> Problem:
        """Say it as this server does."""
        raise NotImplementedError


@define(eq=False)
class LlamaCpp(Template):
    """llama.cpp.

    The exception is a 500 with a piece of the template (picoclaw 207); no tool by its name (its source:
    "Invalid tool_choice").
    """

    model: str = "house-model"
    dialect: ClassVar[str] = "llamacpp"
    fields = REQUEST_KEYS | {
        "chat_template_kwargs", "thinking_budget_tokens", "return_progress", "top_k",
    }  # fmt: skip

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse a named tool, too."""
        if isinstance(request.get("tool_choice"), dict):
            yield Problem("Invalid tool_choice: " + str(request["tool_choice"]), 500)
        yield from super().own_problems(request)

    def raised(self, message: str) -> Problem:
        """Answer 500."""
        told = f"raise_exception('{message[:40]}...\n{' ' * 43}^\nError: Jinja Exception: {message}"
        return Problem(PLACE + told, 500)

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with code, message and type."""
        kind = "server_error" if problem.status == 500 else "invalid_request_error"
        return error(problem.status, {"error": {"code": problem.status, "message": problem.message, "type": kind}})


@define(eq=False)
class Vllm(Template):
    """vLLM: the exception is a 400 and nothing but its text."""

    model: str = "acme/house-model"
    dialect: ClassVar[str] = "vllm"
    fields = REQUEST_KEYS | {"chat_template_kwargs", "top_k"}
    thinks_in = "reasoning"

    def thought_in(self, message: Mapping[str, Any]) -> str:
        """Read the name that all versions take."""
        return str(message.get("reasoning_content") or "")

    def plain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request with OpenAI's stream options."""
        return {**request, "stream_options": {"include_usage": True}}

    def raised(self, message: str) -> Problem:
        """Answer 400."""
        return Problem(message)

    def refuse(self, problem: Problem) -> Answer:
        """Refuse as vLLM 0.33."""
        told = {"message": problem.message, "type": "BadRequestError", "param": None, "code": problem.status}
        return error(problem.status, {"error": told})
