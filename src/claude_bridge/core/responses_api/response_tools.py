"""Tool definitions and tool choice, neutral -> Responses API (docs/responses-api.md 1.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from claude_bridge.core import tool_choice
from claude_bridge.core.conversation import ToolChoice, ToolDefinition
from claude_bridge.core.json_schema.sanitising import SCHEMA_CACHE, is_strict
from claude_bridge.core.responses_api.traits import ToolChoices, Traits
from claude_bridge.core.responses_api.wire_types import FunctionTool, NamedToolChoice
from claude_bridge.core.tool_names import upstream_name


@frozen
class OfferedTools:
    """The tools that a backend is offered.

    :ivar definitions: by their names at the backend, in the client's order.
    :ivar downstream_names: the name at the backend -> the client's, only where they differ.
    :ivar dropped_keywords: the keys that were removed from schemas or replaced there.
    """

    definitions: Mapping[str, FunctionTool]
    downstream_names: Mapping[str, str]
    dropped_keywords: frozenset[str] = frozenset()


@frozen(kw_only=True)
class ResolvedToolChoice:
    """The tools and the tool choice that are sent.

    :ivar definitions: all tools, or the only one that may be called, or none.
    :ivar tool_choice: the field, or None to leave it out.
    :ivar instruction: an instruction for the model if the server cannot force a call, else "".
    """

    definitions: list[FunctionTool]
    tool_choice: str | NamedToolChoice | None = None
    instruction: str = ""


def offer_tools(tools: Iterable[ToolDefinition], traits: Traits) -> OfferedTools:
    """Return the converted tools. Of two with the same name only the first is offered, as servers refuse the second.

    ``strict`` is always said where the server knows it: OpenAI takes a missing one for true, and answers 400 for a
    schema that does not allow it.
    """
    definitions: dict[str, FunctionTool] = {}
    names: dict[str, str] = {}
    dropped_keywords: frozenset[str] = frozenset()
    for tool in tools:
        legal = upstream_name(tool.name)
        if legal != tool.name:
            names[legal] = tool.name
        schema = tool.parameters
        if traits.schema != "none":
            sanitised = SCHEMA_CACHE.sanitised(schema, traits.schema)
            schema, dropped_keywords = sanitised.schema, dropped_keywords | sanitised.dropped_keywords
        strict = (tool.strict is True and is_strict(schema)) if traits.strict else None
        definitions.setdefault(legal, FunctionTool(legal, tool.description, strict, schema))
    return OfferedTools(definitions, names, dropped_keywords)


def resolve_choice(choice: ToolChoice | None, tools: OfferedTools, form: ToolChoices) -> ResolvedToolChoice:
    """Return the tool choice in the strictest form that the server accepts, and the tools that are sent with it."""
    found = tool_choice.resolve(choice, list(tools.definitions), form)
    return ResolvedToolChoice(
        definitions=[tools.definitions[name] for name in found.offered],
        tool_choice=NamedToolChoice(found.name) if found.name else found.word,
        instruction=found.instruction,
    )
