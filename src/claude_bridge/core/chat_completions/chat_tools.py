"""Tool definitions and tool choice, Anthropic -> OpenAI (wire-contract 5.1, 5.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.json_schema.sanitising import SCHEMA_CACHE, is_strict
from claude_bridge.core.chat_completions.openai_types import (
    FunctionDefinition,
    FunctionName,
    FunctionTool,
    NamedToolChoice,
)
from claude_bridge.core.chat_completions.traits import ToolChoices, Traits
from claude_bridge.core.conversation import ToolChoice, ToolDefinition

MAX_NAME_CHARACTERS: Final = 64
"""Longest function name that OpenAI's API takes."""

_LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_DEFAULT_TRAITS: Final = Traits()


@frozen
class OfferedTools:
    """The tools that a backend is offered.

    :ivar definitions: in the client's order.
    :ivar upstream_names: the client's name -> a legal one, only where they differ.
    :ivar dropped_keywords: the keys that were taken out of schemas or replaced there.
    """

    definitions: list[FunctionTool]
    upstream_names: Mapping[str, str]
    dropped_keywords: frozenset[str] = frozenset()

    def downstream_names(self) -> dict[str, str]:
        """Return the way back, for the answer."""
        return {legal: name for name, legal in self.upstream_names.items()}


@frozen(kw_only=True)
class ResolvedToolChoice:
    """What is sent of the tools and of the client's choice among them.

    :ivar definitions: all tools, or the only one that may be called, or none.
    :ivar tool_choice: the field, or None to leave it out.
    :ivar instruction: what is said to the model where the server cannot force it, else "".
    """

    definitions: list[FunctionTool]
    tool_choice: str | NamedToolChoice | None = None
    instruction: str = ""


def offer_tools(tools: Iterable[ToolDefinition], traits: Traits = _DEFAULT_TRAITS) -> OfferedTools:
    """Convert the tools. Of two with one name the first stays: servers refuse the second."""
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


def upstream_name(name: str) -> str:
    """Return a legal function name: the same if it is one, else a cut one with a hash, always the same."""
    if _LEGAL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: MAX_NAME_CHARACTERS - 9]}_{digest}"


def resolve_choice(choice: ToolChoice | None, tools: OfferedTools, form: ToolChoices) -> ResolvedToolChoice:
    """Convert the tool choice to the most that the server takes (wire-contract 5.1).

    A choice of one tool goes with its tool: it is left out where it would point at nothing (claude-code-router and
    others send it all the same, and get a 400). Where one tool cannot be named, it alone is offered: history may use
    other tools, servers do not compare. The list of tools stands at the prompt's beginning in most chat templates, so
    that a cached prefix is lost then; what a server cannot be told at all is said to the model at the prompt's end,
    where it costs no more.
    """
    everything = tools.definitions
    if choice is None or not everything:
        return ResolvedToolChoice(definitions=everything)
    if choice.kind == "none":
        forced_off = form in {"auto", "none"}
        return (
            ResolvedToolChoice(definitions=[])
            if forced_off
            else ResolvedToolChoice(definitions=everything, tool_choice="none")
        )
    if choice.kind == "any":
        said = "You must call one of your tools now." if form in {"auto", "none"} else ""
        return ResolvedToolChoice(definitions=everything, tool_choice=_FORCING_CHOICES[form], instruction=said)
    if choice.kind != "tool":
        return ResolvedToolChoice(definitions=everything, tool_choice=None if form == "none" else "auto")
    name = upstream_name(choice.name)
    only = [tool for tool in everything if tool.function.name == name]
    if not only:
        return ResolvedToolChoice(definitions=everything)
    if form == "named":
        return ResolvedToolChoice(definitions=everything, tool_choice=NamedToolChoice(FunctionName(name)))
    said = f"You must call the tool {name} now." if form in {"auto", "none"} else ""
    return ResolvedToolChoice(definitions=only, tool_choice=_FORCING_CHOICES[form], instruction=said)


_FORCING_CHOICES: Final[Mapping[ToolChoices, str | None]] = {
    "named": "required",
    "required": "required",
    "any": "any",
    "auto": "auto",
    "none": None,
}
"""How the server is told that some tool must be called, as far as it can be."""


def _sanitise_schema(definition: FunctionDefinition, traits: Traits) -> frozenset[str]:
    """Bring a definition's schema down to the server's level; return the keys that went."""
    sanitised = SCHEMA_CACHE.sanitised(definition.parameters, traits.schema)
    definition.parameters = sanitised.schema
    return sanitised.dropped_keywords


def _strict(tool: ToolDefinition, definition: FunctionDefinition) -> bool | None:
    """Pass ``strict`` on, but true only with a schema that may be strict: with another it is a 400 from OpenAI."""
    return tool.strict if not tool.strict or is_strict(definition.parameters) else None
