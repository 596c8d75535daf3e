"""Mistral's API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, json_answer
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import (
    ModelTurn,
    Problem,
    Service,
    answers_of,
    calls_of,
    empty_answers,
    in_parts,
    seal,
)

NINE = re.compile(r"[a-zA-Z0-9]{9}")
UNKNOWN = {
    "stream_options", "max_completion_tokens", "seed", "user", "store", "logit_bias", "logprobs", "top_logprobs",
    "service_tier", "modalities", "audio", "web_search_options", "verbosity",
}  # fmt: skip
FOLLOWS = {
    "system": {"user", "assistant", "system"},
    "user": {"assistant", "system", "user"},
    "assistant": {"assistant", "user", "tool"},
    "tool": {"assistant", "tool"},
}
"""Which role may follow which: `mistral-common` 1.13.1, but for the user behind a tool, which its newest version allows
and the API was seen to refuse until 2026-08 (avante.nvim 2562, litellm 17761, hermes-agent 20154, opencode 45051)."""

ORDER = ("invalid_request_message_order", "3230")


@define(eq=False)
class Mistral(Service):
    """Mistral with adjustable reasoning.

    Unknown fields are 422 with a list of details (eca 231, crush 1590), ids are nine letters and digits (ironclaw
    1241), the order of roles is fixed (litellm 17761), a single tool cannot be named (docs/servers.md 2.6), effort is
    none or high (mistral-common 1.13.1), no answer is empty (OpenHands 8685). Thinking comes and goes as a part of a
    content list (AI SDK mistral 3.0.69).
    """

    model: str = "mistral-small-2603"
    dialect = "mistral"
    fields = REQUEST_KEYS - UNKNOWN | {"random_seed", "safe_prompt"}
    remembers = frozenset({"prefix"})
    wants: ClassVar[str] = "question"
    usage_unasked = True

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what Mistral refuses."""
        for key in request.keys() - self.fields:
            yield extra(["body", key], request[key])
        for at, message in answers_of(request):
            for key in message.keys() - {"role", "content", "tool_calls", "prefix"}:
                yield extra(["body", "messages", at, "assistant", key], message[key])
            for call in calls_of(message):
                yield from id_problems(call["id"])
        choice = request.get("tool_choice", "auto")
        if choice not in ("auto", "none", "any"):
            yield extra(["body", "tool_choice"], choice, kind="enum")
        if request.get("reasoning_effort") not in {None, "none", "high"}:
            yield Problem(f"reasoning_effort={request['reasoning_effort']!r} is not supported for this model")
        yield from self.order_problems(request["messages"])

    def order_problems(self, messages: list[dict[str, Any]]) -> Iterator[Problem]:
        """Refuse roles and results in the wrong place."""
        for at in empty_answers({"messages": messages}):
            if not messages[at]["content"]:
                told = "Assistant message must have either content or tool_calls, but not none."
                yield Problem(told, more={"type": "invalid_request_assistant_message", "code": "3240"})
        for before, after in pairwise(messages):
            if after["role"] not in FOLLOWS[before["role"]]:
                yield disordered(f"Unexpected role '{after['role']}' after role '{before['role']}'")
        if messages[-1]["role"] == "assistant" and not messages[-1].get("prefix"):
            told = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
            yield disordered(told)
        calls = sum(len(calls_of(one)) for one in messages)
        if calls != sum(one["role"] == "tool" for one in messages):
            yield disordered("Not the same number of function calls and responses")

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with Mistral's flat body."""
        told = {"object": "error", "message": problem.message, "type": "invalid_request_error", "param": None}
        return json_answer(problem.status, {**told, "code": None, **problem.more})

    def plain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request in OpenAI's words."""
        messages = [
            {**one, "content": [part for part in one["content"] if part["type"] == "text"] or ""}
            if one["role"] == "assistant" and isinstance(one["content"], list)
            else one
            for one in request["messages"]
        ]
        choice = {"tool_choice": "required"} if request.get("tool_choice") == "any" else {}
        return {**request, **choice, "messages": messages}

    def thinking(self, said: ModelTurn) -> Iterator[dict[str, Any]]:
        """Think in parts of a content list."""
        for part in in_parts(said.thought):
            yield {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": part}]}]}

    def calling(self, index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
        """Yield a call in one piece."""
        function = {"name": call.name, "arguments": call.arguments}
        yield {"tool_calls": [{"index": index, "id": call.id, "function": function}]}

    def call_id(self, name: str, number: int) -> str:
        """Make nine letters and digits."""
        return seal(self.dialect, name, number)[:9]

    def thought_in(self, message: Any) -> str:
        """Return the thinking parts of the content list."""
        parts = message["content"] if isinstance(message["content"], list) else ()
        thoughts = (part["thinking"] for part in parts if part["type"] == "thinking")
        return "".join(inner["text"] for thought in thoughts for inner in thought)


def extra(where: list[Any], value: Any, kind: str = "extra_forbidden") -> Problem:
    """Refuse a field or its value, with the place in it."""
    told = "Extra inputs are not permitted" if kind == "extra_forbidden" else "Input should be 'auto', 'none' or 'any'"
    detail = {"type": kind, "loc": where, "msg": told, "input": value}
    return Problem(f"{'.'.join(map(str, where))}: {told}", 422, {"message": {"detail": [detail]}})


def disordered(told: str) -> Problem:
    """Refuse an order."""
    return Problem(told, more={"type": ORDER[0], "code": ORDER[1]})


def id_problems(identifier: str) -> Iterator[Problem]:
    """Refuse an id."""
    if not NINE.fullmatch(identifier):
        told = f"Tool call id was {identifier} but must be a-z, A-Z, 0-9, with a length of 9."
        yield Problem(told, more={"type": "invalid_function_call", "code": "3280"})
