"""xAI's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import json_answer
from tests.end_to_end.strict.service import Problem, Service

ARGUMENTS = {
    "stop": "stop",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "reasoning_effort": "reasoningEffort",
}


@define(eq=False)
class Xai(Service):
    """A Grok that always reasons: some arguments are not for it (n8n 14581, uni-api 105, NativeTavern 83)."""

    model: str = "grok-4-1-fast-reasoning"
    dialect = "xai"

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what xAI refuses."""
        for name, told in ARGUMENTS.items():
            if name in request:
                yield Problem(f"Argument not supported on this model: {told}")

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with an error that is a string."""
        return json_answer(problem.status, {"code": "Client specified an invalid argument", "error": problem.message})
