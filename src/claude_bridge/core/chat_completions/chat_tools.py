"""Tool definitions and tool choice, neutral -> OpenAI (docs/chat-completions.md 1.4 and 1.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core import tool_choice
from claude_bridge.core.chat_completions.openai_types import (
    FunctionDefinition,
    FunctionName,
    FunctionTool,
    NamedToolChoice,
)
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import ToolChoice, ToolDefinition
from claude_bridge.core.json_schema.sanitising import SCHEMA_CACHE, is_strict
from claude_bridge.core.tool_choice import ToolChoices
from claude_bridge.core.tool_names import upstream_name

_DEFAULT_TRAITS: Final = Traits()


@frozen
class OfferedTools:
    """The tools that a backend is offered.

    :ivar definitions: in the client's order.
    :ivar upstream_names: the client's name -> a legal one, only where they differ.
    :ivar dropped_keywords: the keys that were removed from schemas or replaced there.
    """

    definitions: list[FunctionTool]
    upstream_names: Mapping[str, str]
    dropped_keywords: frozenset[str] = frozenset()

    def downstream_names(self) -> dict[str, str]:
        """Return the reverse mapping, for the answer."""
        return {legal: name for name, legal in self.upstream_names.items()}


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


def offer_tools(tools: Iterable[ToolDefinition], traits: Traits = _DEFAULT_TRAITS) -> OfferedTools:
    """Return the converted tools. Of two with the same name only the first is offered, as servers refuse the second."""
    definitions: dict[str, FunctionTool] = {}
    names: dict[str, str] = {}
    dropped_keywords: frozenset[str] = frozenset()
    for tool in tools:
        legal = upstream_name(tool.name)
        if legal != tool.name:
            names[tool.name] = legal
        definition = FunctionDefinition(legal, tool.description, tool.parameters)
        if traits.schema != "none":
            dropped_keywords |= _sanitise_schema(definition, traits)
        if traits.strict:
            definition.strict = _strict(tool, definition)
        definitions.setdefault(legal, FunctionTool(definition))
    return OfferedTools(list(definitions.values()), names, dropped_keywords)


def resolve_choice(choice: ToolChoice | None, tools: OfferedTools, form: ToolChoices) -> ResolvedToolChoice:
    """Return the tool choice in the strictest form that the server accepts, and the tools that are sent with it."""
    everything = tools.definitions
    found = tool_choice.resolve(choice, [tool.function.name for tool in everything], form)
    return ResolvedToolChoice(
        definitions=[tool for tool in everything if tool.function.name in found.offered],
        tool_choice=NamedToolChoice(FunctionName(found.name)) if found.name else found.word,
        instruction=found.instruction,
    )


def _sanitise_schema(definition: FunctionDefinition, traits: Traits) -> frozenset[str]:
    """Reduce a definition's schema to the server's level; return the keys that were dropped."""
    sanitised = SCHEMA_CACHE.sanitised(definition.parameters, traits.schema)
    definition.parameters = sanitised.schema
    return sanitised.dropped_keywords


def _strict(tool: ToolDefinition, definition: FunctionDefinition) -> bool | None:
    """Return ``strict``, but None if the schema does not allow true, for which OpenAI answers 400."""
    return tool.strict if not tool.strict or is_strict(definition.parameters) else None
