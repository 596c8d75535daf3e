"""The fields of a request other than its input, as the target's traits require them (docs/responses-api.md 1.1)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json
from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.conversation import Reasoning as Wanted
from claude_bridge.core.json_schema.sanitising import SCHEMA_CACHE, is_strict
from claude_bridge.core.reasoning_levels import nearest_level
from claude_bridge.core.responses_api import codec
from claude_bridge.core.responses_api.dialect import Target
from claude_bridge.core.responses_api.response_tools import OfferedTools, resolve_choice
from claude_bridge.core.responses_api.traits import Traits
from claude_bridge.core.responses_api.wire_types import Reasoning, ResponseRequest, TextFormat, TextOptions
from claude_bridge.core.strict_json import Raw

ENCRYPTED: Final = "reasoning.encrypted_content"
"""What ``include`` asks for: without it a server that stores nothing gives reasoning that cannot come back."""

MAX_KEY_CHARACTERS: Final = 64
"""Characters that OpenAI takes as ``prompt_cache_key``."""


@frozen(kw_only=True)
class RequestFields:
    """The fields of one request.

    :ivar answer_shape: the shape that the answer must have and that the server does not guarantee.
    :ivar instruction: an instruction for the model that no field can express, else "".
    """

    fields: ResponseRequest
    answer_shape: AnswerShape | None
    instruction: str


def build(
    asked: Conversation, target: Target, offered: OfferedTools, *, limit: int | None, session: str
) -> RequestFields:
    """Return the fields; ``limit`` is that of the answer, in tokens."""
    form, shape = answer_format(asked.output_schema, target)
    choice = resolve_choice(asked.tool_choice, offered, target.tool_choice)
    one_at_a_time = asked.tool_choice is not None and not asked.tool_choice.parallel
    fields = ResponseRequest(
        model=target.model,
        stream=True,
        store=False,
        include=[ENCRYPTED] if target.encrypted_reasoning else None,
        prompt_cache_key=session[:MAX_KEY_CHARACTERS] or None if target.prompt_cache_key else None,
        reasoning=reasoning(asked.reasoning, target),
        text=None if form is None else TextOptions(form),
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_output_tokens=_answer_limit(limit, target),
    )
    if choice.definitions:  # servers refuse the fields about tools without tools
        fields.tools = [codec.encode_tool(tool) for tool in choice.definitions]
        fields.tool_choice = choice.tool_choice
        fields.parallel_tool_calls = False if one_at_a_time and target.parallel_tool_calls else None
    for name in target.drop:
        setattr(fields, name, None)
    return RequestFields(fields=fields, answer_shape=shape, instruction=choice.instruction)


def _answer_limit(limit: int | None, target: Target) -> int | None:
    return max(limit, target.dialect.least_limit) if limit is not None and target.answer_limit else None


def reasoning(wanted: Wanted | None, target: Target) -> Reasoning | None:
    """Return the field that asks for a level of reasoning, or None to leave it to the server.

    Where the client wants none, the lowest level is asked for, and no summary of it; a server that nobody knows is
    asked for nothing then, as it may refuse every word that it does not know.
    """
    if wanted is None or target.reasoning_control == "none":
        return None
    thinks = wanted.level != "none"
    if not thinks and not target.dialect.switches_off(target.reasoning_levels):
        return None
    effort = nearest_level(wanted.level, target.reasoning_levels)
    summary = "auto" if thinks and target.reasoning_summary else None
    return Reasoning(effort, summary) if effort or summary else None


def answer_format(schema: Raw | None, traits: Traits) -> tuple[TextFormat | None, AnswerShape | None]:
    """Return the format that asks for a schema, and the shape that the bridge has to check, None if the server does.

    Strict conformance is requested wherever it is supported, as Anthropic guarantees it.
    """
    if schema is None:
        return None, None
    if traits.structured_output == "json_schema" and strict_json.present(schema):
        sent = SCHEMA_CACHE.sanitised(schema, traits.schema).schema
        return TextFormat("json_schema", "response", sent, is_strict(sent)), None
    if traits.structured_output == "json_schema":
        return TextFormat("json_object"), None
    form = TextFormat("json_object") if traits.structured_output == "json_object" else None
    return form, AnswerShape(schema)
