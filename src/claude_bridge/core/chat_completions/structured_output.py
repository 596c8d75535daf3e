"""How a server is asked for an answer of a required shape (``response_format``)."""

from __future__ import annotations

from claude_bridge.core import strict_json
from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.chat_completions.json_schema.sanitising import REMEMBERED, is_strict
from claude_bridge.core.chat_completions.openai_types import JsonSchema, ResponseFormat
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.strict_json import Raw


def response_format(schema: Raw | None, traits: Traits) -> tuple[ResponseFormat | None, AnswerShape | None]:
    """Return how a server is asked for a schema, and what is left to do here: nothing where the server takes schemas.

    A strict promise is asked for wherever it can be had, as Anthropic gives it (wire-contract 5.1).
    """
    if schema is None:
        return None, None
    if traits.structured_output == "json_schema" and strict_json.present(schema):
        sent = REMEMBERED.sanitised(schema, traits.schema).schema
        return ResponseFormat("json_schema", JsonSchema("response", sent, is_strict(sent) or None)), None
    if traits.structured_output == "json_schema":
        return ResponseFormat("json_object"), None
    form = ResponseFormat("json_object") if traits.structured_output == "json_object" else None
    return form, AnswerShape(schema)
