"""The fields of a chat request other than its messages, as the target's traits require them.

See docs/chat-completions.md 1.1.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json
from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.chat_completions import chat_tools, reasoning
from claude_bridge.core.chat_completions.dialect import Shaping, Target
from claude_bridge.core.chat_completions.openai_types import ChatRequest, JsonSchema, ResponseFormat
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.json_schema.sanitising import SCHEMA_CACHE, is_strict
from claude_bridge.core.strict_json import Raw

MAX_STOP_SEQUENCES: Final = 4
"""Stop sequences that OpenAI's API accepts."""


@frozen(kw_only=True)
class ChatFields:
    """The fields of one request.

    :ivar extra: fields that OpenAI does not have.
    :ivar answer_shape: the shape that the answer must have and that the server does not guarantee.
    :ivar instruction: an instruction for the model that no field can express, else "".
    """

    fields: ChatRequest
    extra: dict[str, object]
    answer_shape: AnswerShape | None
    instruction: str


def build(asked: Conversation, target: Target, offered: chat_tools.OfferedTools, limit: int | None) -> ChatFields:
    """Return the fields; ``limit`` is that of the answer, in tokens. Raises `InvalidRequest`."""
    form, shape = response_format(asked.output_schema, target)
    fields = ChatRequest(
        model=target.model,
        stream=True,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k if target.top_k else None,
        stop=_stops(asked),
        response_format=form,
    )
    setattr(fields, target.max_tokens_field, limit)
    for name in target.drop:
        setattr(fields, name, None)
    choice = chat_tools.resolve_choice(asked.tool_choice, offered, target.tool_choice)
    _offer(asked, target, choice, fields)
    extra: dict[str, object] = {}
    thinking = asked.reasoning
    if thinking is not None:
        ask = reasoning.ReasoningRequest(level=thinking.level, budget=thinking.budget, limit=limit)
        reasoning.control(target, ask, fields, extra)
    level = thinking.level if thinking is not None else None
    shaping = Shaping(model=target.model, traits=target, level=level, with_tools=bool(choice.definitions))
    target.dialect.shape(fields, extra, shaping)
    return ChatFields(fields=fields, extra=extra, answer_shape=shape, instruction=choice.instruction)


def _stops(asked: Conversation) -> list[str] | None:
    stops = [sequence for sequence in asked.stop_sequences if sequence]
    return stops[:MAX_STOP_SEQUENCES] or None


def _offer(asked: Conversation, target: Target, choice: chat_tools.ResolvedToolChoice, fields: ChatRequest) -> None:
    """Set the tools and the fields about them, if there are tools: servers refuse those fields without tools."""
    if not choice.definitions:
        return
    fields.tools = choice.definitions
    fields.tool_choice = choice.tool_choice
    one_at_a_time = asked.tool_choice is not None and not asked.tool_choice.parallel
    if one_at_a_time and target.parallel_tool_calls:
        fields.parallel_tool_calls = False


def response_format(schema: Raw | None, traits: Traits) -> tuple[ResponseFormat | None, AnswerShape | None]:
    """Return the field that asks for a schema, and the shape that the bridge has to check, None if the server does.

    Strict conformance is requested wherever it is supported, as Anthropic guarantees it (docs/chat-completions.md 1.1).
    """
    if schema is None:
        return None, None
    if traits.structured_output == "json_schema" and strict_json.present(schema):
        sent = SCHEMA_CACHE.sanitised(schema, traits.schema).schema
        return ResponseFormat("json_schema", JsonSchema("response", sent, is_strict(sent) or None)), None
    if traits.structured_output == "json_schema":
        return ResponseFormat("json_object"), None
    form = ResponseFormat("json_object") if traits.structured_output == "json_object" else None
    return form, AnswerShape(schema)
