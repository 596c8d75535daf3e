"""Gemini's path for OpenAI clients."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, json_answer
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.schemas import gemini_problems
from tests.end_to_end.strict.service import ModelTurn, Problem, Service, answers_of, calls_of, empty_answers, seal

ANY_SIGNATURE = "skip_thought_signature_validator"
"""What Google's documentation gives for calls that another model made (thought signatures, FAQ)."""

MISSING = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
    "and missing thought_signature may lead to degraded model performance. Additional data, function call "
    "`default_api:{name}` , position {at}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures "
    "for more details."
)
UNEQUAL = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
FIELDS = REQUEST_KEYS - {"parallel_tool_calls", "metadata", "store", "prompt_cache_key"}


@define(eq=False)
class Gemini(Service):
    """Gemini 3.

    The first call of each step needs its signature: paws 103 and zafiro 100 have the whole list that is the error's
    body. One that was changed, or belongs to another call, is "corrupted" (gemini-cli 13467). Calls and results are
    counted (gemini-cli 16437), nothing is empty (cherry-studio 16196). Fields that its JSON reader does not know are
    refused by name (see `schemas`). Signed is the first of parallel calls; an index is not sent (docs/servers.md 2.10).

    :ivar stood_in: calls of its own that came with the stand-in instead of their signature.
    """

    model: str = "gemini-3.1-pro-preview"
    dialect = "gemini"
    fields = FIELDS
    thinks_in = ""

    @property
    def stood_in(self) -> list[str]:
        """Name own calls that came with the stand-in, which must never be."""
        return [
            call["id"]
            for request in self.accepted
            for _, message in answers_of(request)
            for call in calls_of(message)[:1]
            if call["id"].startswith("function-call-") and signature_of(call) != signature(call)
        ]

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse what Google refuses."""
        for key in request:
            if key not in self.fields:
                yield Problem(f'Invalid JSON payload received. Unknown name "{key}": Cannot find field.')
        for at, tool in enumerate(request.get("tools", ())):
            path = f"tools[0].function_declarations[{at}].parameters"
            for told in gemini_problems(tool["function"].get("parameters", {}), path):
                yield Problem(told)
        for at in empty_answers(request):
            yield Problem(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.")
        for at, message in answers_of(request):
            yield from self.message_problems(at, message, request["messages"])

    def message_problems(self, at: int, message: dict[str, Any], messages: list[dict[str, Any]]) -> Iterator[Problem]:
        """Refuse an answer of the history with unknown fields, unsigned or uncounted calls."""
        for key in message.keys() - {"role", "content", "tool_calls"}:
            yield Problem(
                f"Invalid JSON payload received. Unknown name \"{key}\" at 'messages[{at}]': Cannot find field."
            )
        calls = calls_of(message)
        if sum(one["role"] == "tool" for one in messages[at + 1 : at + 1 + len(calls)]) != len(calls):
            yield Problem(UNEQUAL)
        for number, call in enumerate(calls):
            told = signature_of(call)
            if told is None and number == 0:
                yield Problem(MISSING.format(name=call["function"]["name"], at=at))
            if told not in {None, ANY_SIGNATURE, signature(call)}:
                yield Problem("Corrupted thought signature.")

    def refuse(self, problem: Problem) -> Answer:
        """Refuse with a list of one error."""
        told = {"code": problem.status, "message": problem.message, "status": "INVALID_ARGUMENT"}
        return json_answer(problem.status, [{"error": told}])

    def plain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request without signatures."""
        messages = [
            {**one, "tool_calls": [{k: v for k, v in call.items() if k != "extra_content"} for call in calls_of(one)]}
            if calls_of(one)
            else one
            for one in request["messages"]
        ]
        return {**request, "messages": messages}

    def call_id(self, name: str, number: int) -> str:
        """Make ids as Google does."""
        return f"function-call-{int(seal(self.dialect, name, number)[:15], 16)}"

    def calling(self, index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
        """Yield a call in one piece, without its index; the first one is signed."""
        function = {"name": call.name, "arguments": call.arguments}
        made: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
        if index == 0:
            made["extra_content"] = {"google": {"thought_signature": signature(made)}}
        yield {"tool_calls": [made]}

    def finish(self, said: ModelTurn) -> str:
        """Return stop, whatever was called."""
        del said
        return "stop"


def signature(call: Mapping[str, Any]) -> str:
    """Sign a call: by its id and name, for arguments may be written in another way when they come back."""
    return b64encode(seal("gemini", call["id"], call["function"]["name"]).encode() * 8).decode()


def signature_of(call: Mapping[str, Any]) -> str | None:
    """Return the signature that a call of the history has."""
    told = call.get("extra_content", {}).get("google", {}).get("thought_signature")
    return told if isinstance(told, str) else None
