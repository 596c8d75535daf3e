"""A Messages request -> the neutral conversation, made once per request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import Conversation, Reasoning, ReasoningLevel, ToolChoice, text_of
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import anthropic_types, tool_definitions
from claude_bridge.core.messages_api.anthropic_types import EMPTY, MessagesRequest, ThinkingConfig
from claude_bridge.core.messages_api.content_blocks import BlockReader
from claude_bridge.core.messages_api.conversation_reader import reading_of
from claude_bridge.core.strict_json import Raw

_EFFORTS: Final[Mapping[str, ReasoningLevel]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_BUDGETS: Final[tuple[tuple[int, ReasoningLevel], ...]] = ((2048, "low"), (8192, "medium"), (24576, "high"))
"""Budgets below so many tokens belong to a level; each bound lies between two levels' sizes in tokens."""

_CHOICES: Final = frozenset({"any", "tool", "none"})


def conversation_of(request: MessagesRequest) -> Conversation:
    """Return the neutral conversation of a request, cached; raises `InvalidRequest` naming what is malformed."""
    made = request.derived.get("conversation")
    if not isinstance(made, Conversation):
        try:
            made = request.derived["conversation"] = _to_conversation(request)
        except strict_json.JsonError as error:
            raise InvalidRequest(str(error)) from None
    return made


def _to_conversation(request: MessagesRequest) -> Conversation:
    reading = reading_of(request).read_all()
    offered = tool_definitions.definitions(
        [*(request.tools or ()), *reading.defined], referenced=reading.loaded, removed=reading.removed
    )
    return Conversation(
        system=[text_of(piece) for piece in BlockReader().read(request.system, "system")],
        turns=reading.turns,
        tools=[*offered],
        tool_choice=_tool_choice(request.tool_choice),
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop_sequences=request.stop_sequences or (),
        reasoning=_reasoning(request),
        output_schema=output_schema(request),
        caches_prefix=reading.marked,
        changes_tools=bool(reading.loaded or reading.removed or reading.defined),
        state_characters=reading.carried,
        media=reading.media,
    )


def shows_thinking(thinking: ThinkingConfig | None) -> bool:
    """Return whether the client asked to see thinking, in any of the forms."""
    return thinking is not None and thinking.type in {"enabled", "adaptive", "between_tools"}


def output_schema(request: MessagesRequest) -> Raw | None:
    """Return the schema that the answer must follow, an empty one for any JSON object, or None for any text.

    Raises `InvalidRequest`.
    """
    asked, path = request.output_format, "output_format"
    if request.output_config is not None and request.output_config.format is not None:
        asked, path = request.output_config.format, "output_config.format"
    if asked is None:
        return None
    if asked.type == "json_schema" and strict_json.present(asked.schema):
        if not strict_json.begins_object(asked.schema):
            raise InvalidRequest(f"{path}.schema: Input should be an object")
        return asked.schema
    return EMPTY if asked.type.startswith("json") else None


def _tool_choice(choice: anthropic_types.ToolChoice | None) -> ToolChoice | None:
    """Return the neutral tool choice; one of an unknown type becomes ``auto``."""
    if choice is None:
        return None
    kind = cast(Literal["any", "tool", "none"], choice.type) if choice.type in _CHOICES else "auto"
    return ToolChoice(kind=kind, name=choice.name or "", parallel=not choice.disable_parallel_tool_use)


def _reasoning(request: MessagesRequest) -> Reasoning | None:
    level = _reasoning_level(request)
    return None if level is None else Reasoning(level=level, budget=_budget(request))


def _reasoning_level(request: MessagesRequest) -> ReasoningLevel | None:
    """Return the reasoning level that the client asks for, or None where it does not mention reasoning.

    ``thinking: disabled`` is "none" whatever the effort says: the effort is then about the answer.
    """
    thinking, config = request.thinking, request.output_config
    if thinking is not None and thinking.type == "disabled":
        return "none"
    effort = _EFFORTS.get(config.effort or "") if config is not None else None
    if effort is not None:
        return effort
    if thinking is None:
        return None
    if thinking.type == "between_tools":
        return "none"
    if thinking.budget_tokens is None:
        return "medium"
    budget = thinking.budget_tokens
    return next((name for limit, name in _BUDGETS if budget < limit), "xhigh")


def _budget(request: MessagesRequest) -> int | None:
    """Return the client's own budget in tokens, or None where its level came from elsewhere."""
    thinking, config = request.thinking, request.output_config
    if thinking is None or thinking.type in {"disabled", "between_tools"}:
        return None
    if config is not None and config.effort in _EFFORTS:
        return None
    return thinking.budget_tokens
