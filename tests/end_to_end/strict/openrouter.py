"""OpenRouter in front of Anthropic and OpenAI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from attrs import define

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import error
from claude_bridge.testing.requests import REQUEST_KEYS
from tests.end_to_end.strict.service import (
    ModelTurn,
    Problem,
    Service,
    answers_of,
    calls_of,
    in_parts,
    last_question,
    seal,
)

FIRST = (
    "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` "
    "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
    "`tool_use` and `tool_result` blocks)."
)


@define(eq=False)
class OpenRouter(Service):
    """A provider that signs what its model thinks.

    The error is OpenRouter's, with the provider's words in ``metadata.raw`` (nagobot 21).
    """

    dialect = "openrouter"
    fields = REQUEST_KEYS | {"reasoning", "top_k", "provider", "models", "transforms", "plugins", "usage"}
    remembers = frozenset({"reasoning", "reasoning_details"})
    thinks_in = "reasoning"
    provider: ClassVar[str]

    def own_problems(self, request: dict[str, Any]) -> Iterator[Problem]:
        """Refuse details that are no longer what was given."""
        question = last_question(request["messages"])
        for at, message in answers_of(request):
            details = message.get("reasoning_details", [])
            yield from self.detail_problems(at, details)
            own = any(call["id"].startswith(self.mark) for call in calls_of(message))
            if own and at > question and not details:
                yield Problem(self.missing(at, message))

    def plain(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request without marks of cached prefixes."""
        return {**request, "messages": [_unmarked(message) for message in request["messages"]]}

    def refuse(self, problem: Problem) -> Answer:
        """Refuse as a router."""
        raw = {"type": "error", "error": {"type": "invalid_request_error", "message": problem.message}}
        metadata = {"raw": json.dumps(raw), "provider_name": self.provider, "is_byok": False}
        told = {"message": "Provider returned error", "code": problem.status, "metadata": metadata}
        return error(problem.status, {"error": told})

    mark: ClassVar[str]

    def detail_problems(self, at: int, details: list[dict[str, Any]]) -> Iterator[Problem]:
        """Verify details."""
        raise NotImplementedError

    def missing(self, at: int, message: dict[str, Any]) -> str:
        """Return that an own turn has no details."""
        raise NotImplementedError

    def call_id(self, name: str, number: int) -> str:
        """Make ids by which the provider knows its own."""
        return self.mark + seal(self.dialect, name, number)[:22]


def _unmarked(message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message.get("content"), list):
        return message
    parts = [{key: value for key, value in part.items() if key != "cache_control"} for part in message["content"]]
    return {**message, "content": parts}


@define(eq=False)
class OpenRouterClaude(OpenRouter):
    """Anthropic behind it: thinking is text with a signature over it (Antigravity-Manager 498 and 139)."""

    model: str = "anthropic/claude-sonnet-5"
    provider = "Anthropic"
    mark = "toolu_vrtx_"
    wants: ClassVar[str] = "calls"

    def thought_in(self, message: Mapping[str, Any]) -> str:
        """Return the text of the details."""
        return "".join(one["text"] for one in message.get("reasoning_details", ()))

    def detail_problems(self, at: int, details: list[dict[str, Any]]) -> Iterator[Problem]:
        """Verify the signature over the text."""
        for number, one in enumerate(details):
            if one.get("signature") != seal("claude", one.get("text")):
                yield Problem(f"messages.{at}.content.{number}: Invalid `signature` in `thinking` block")

    def missing(self, at: int, message: dict[str, Any]) -> str:
        """Return it in Anthropic's words."""
        del message
        return FIRST.format(at=at)

    def thinking(self, said: ModelTurn) -> Iterator[dict[str, Any]]:
        """Think in text, which is signed at its end."""
        detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
        for part in in_parts(said.thought):
            yield {"reasoning": part, "reasoning_details": [{**detail, "text": part}]}
        if said.thought:
            yield {"reasoning_details": [{**detail, "signature": seal("claude", said.thought)}]}


@define(eq=False)
class OpenRouterGPT(OpenRouter):
    """OpenAI behind it: thinking is encrypted, nothing of it is text.

    Missing: "Item 'fc_...' of type 'function_call' was provided without its required 'reasoning' item" (OpenAI's
    Responses API); changed: "The encrypted content ... could not be verified".
    """

    model: str = "openai/gpt-6-sol"
    provider = "OpenAI"
    mark = "call_OpenAI"

    def detail_problems(self, at: int, details: list[dict[str, Any]]) -> Iterator[Problem]:
        """Verify the encrypted content."""
        del at
        for one in details:
            if one.get("data") != seal("gpt", one.get("id")) * 4:
                yield Problem("The encrypted content could not be verified. Reason: Encrypted content is not valid.")

    def missing(self, at: int, message: dict[str, Any]) -> str:
        """Return it in OpenAI's words."""
        del at
        call = calls_of(message)[0]["id"].replace("call", "fc", 1)
        return f"Item '{call}' of type 'function_call' was provided without its required 'reasoning' item"

    def thinking(self, said: ModelTurn) -> Iterator[dict[str, Any]]:
        """Encrypt it."""
        if said.thought:
            name = f"rs_{seal(said.thought)[:12]}"
            detail = {"type": "reasoning.encrypted", "id": name, "format": "openai-responses-v1", "index": 0}
            yield {"reasoning_details": [{**detail, "data": seal("gpt", name) * 4}]}

    def finish(self, said: ModelTurn) -> str:
        """Return stop, whatever was called (@openrouter/ai-sdk-provider 2.10.0)."""
        del said
        return "stop"
