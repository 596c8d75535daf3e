"""Differences between servers of the Responses API, expressed as data; ``[model:*]`` overrides most of them.

Each field has the default of a server that nobody knows, chosen so that it refuses nothing and loses nothing. Those
that ``[model:*]`` has too have the meaning that is documented there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from attrs import fields, frozen

from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.json_schema.levels import SchemaLevel
from claude_bridge.core.media_parts import ImageSupport, PdfSupport
from claude_bridge.core.turns import SystemMessages

ReasoningControl = Literal["none", "effort"]
"""Whether ``reasoning`` is sent at all."""

SystemRole = Literal["system", "developer"]
ToolChoices = Literal["named", "required", "auto", "none"]
Prefill = Literal["pass", "refuse"]
StructuredOutput = Literal["json_schema", "json_object", "instruction"]
RequestField = Literal["temperature", "top_p"]


@frozen(kw_only=True)
class Traits:
    """The differences of one model at one kind of server.

    :ivar reasoning_control: ``effort``: reasoning is asked for by ``reasoning.effort``.
    :ivar reasoning_levels: the words that it may have; the nearest above the wanted one is taken.
    :ivar reasoning_summary: whether a summary of the reasoning is asked for.
    :ivar encrypted_reasoning: whether encrypted reasoning is asked for, and sent back in later turns.
    :ivar system_messages: where system messages inside the conversation go.
    :ivar system_role: their role, if they stay in their place.
    :ivar phases: whether the model's own messages are marked as comments or answers.
    :ivar tool_choice: the most that the server takes.
    :ivar parallel_tool_calls: whether the field is sent.
    :ivar schema: how much of JSON Schema the server takes in tools.
    :ivar strict: whether ``strict`` of tools is sent; a server that does not get it may assume that it is true.
    :ivar tool_images: whether images and documents are sent inside the results of tools.
    :ivar prefill: what becomes of a conversation that ends with the assistant.
    :ivar structured_output: the most that the server takes for the format of the answer.
    :ivar answer_limit: whether ``max_output_tokens`` is sent.
    :ivar prompt_cache_key: whether the session is sent, so that its requests meet the same cache.
    :ivar drop: fields never to send.
    :ivar truncates: whether the server silently truncates prompts that are too long.
    """

    reasoning_control: ReasoningControl = "effort"
    reasoning_levels: tuple[ReasoningLevel, ...] = ("low", "medium", "high")
    reasoning_summary: bool = True
    encrypted_reasoning: bool = True
    system_messages: SystemMessages = "fold"
    system_role: SystemRole = "system"
    phases: bool = False
    tool_choice: ToolChoices = "named"
    parallel_tool_calls: bool = True
    schema: SchemaLevel = "none"
    strict: bool = True
    tool_images: bool = True
    images: ImageSupport = "yes"
    pdf: PdfSupport = "text"
    prefill: Prefill = "pass"
    structured_output: StructuredOutput = "json_schema"
    answer_limit: bool = True
    prompt_cache_key: bool = True
    drop: tuple[RequestField, ...] = ()
    truncates: bool = False


def _words(hint: Any) -> Sequence[str]:  # noqa: ANN401 - a type form
    """Return the words of a `Literal`, alone or in a tuple; () for any other type."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return get_args(inner) if get_origin(inner) is Literal else ()


_HINTS: Final = get_type_hints(Traits)

TRAIT_WORDS: Final[Mapping[str, Sequence[str]]] = {each.name: _words(_HINTS[each.name]) for each in fields(Traits)}
"""The words that each trait may have, () for a trait whose values are no words."""
