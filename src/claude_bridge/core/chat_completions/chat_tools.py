"""Tool definitions and tool choice, neutral -> OpenAI (docs/chat-completions.md 1.4 and 1.5)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.openai_types import (
    FunctionDefinition,
    FunctionName,
    FunctionTool,
    NamedToolChoice,
)
from claude_bridge.core.chat_completions.traits import ToolChoices, Traits
from claude_bridge.core.conversation import ToolChoice, ToolDefinition
from claude_bridge.core.json_schema.sanitising import SCHEMA_CACHE, is_strict

MAX_NAME_CHARACTERS: Final = 64
"""Characters of the longest function name that OpenAI's API accepts."""

_LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
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


def upstream_name(name: str) -> str:
    """Return a legal function name: the name itself, or a shortened one with a hash, always the same."""
    if _LEGAL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: MAX_NAME_CHARACTERS - 9]}_{digest}"


def resolve_choice(choice: ToolChoice | None, tools: OfferedTools, form: ToolChoices) -> ResolvedToolChoice:
    """Return the tool choice in the strictest form that the server accepts (docs/chat-completions.md 1.5).

    The choice of one tool is left out if that tool is not offered (claude-code-router and others send it nevertheless,
    and get a 400). If one tool cannot be named, it alone is offered; the history may use other tools, which servers do
    not check. The list of tools stands at the prompt's beginning in most chat templates, so that this invalidates a
    cached prefix. If the server cannot force a call at all, the model is instructed at the prompt's end, which costs
    nothing more.
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
        text = "You must call one of your tools now." if form in {"auto", "none"} else ""
        return ResolvedToolChoice(definitions=everything, tool_choice=_FORCING_CHOICES[form], instruction=text)
    if choice.kind != "tool":
        return ResolvedToolChoice(definitions=everything, tool_choice=None if form == "none" else "auto")
    name = upstream_name(choice.name)
    only = [tool for tool in everything if tool.function.name == name]
    if not only:
        return ResolvedToolChoice(definitions=everything)
    if form == "named":
        return ResolvedToolChoice(definitions=everything, tool_choice=NamedToolChoice(FunctionName(name)))
    text = f"You must call the tool {name} now." if form in {"auto", "none"} else ""
    return ResolvedToolChoice(definitions=only, tool_choice=_FORCING_CHOICES[form], instruction=text)


_FORCING_CHOICES: Final[Mapping[ToolChoices, str | None]] = {
    "named": "required",
    "required": "required",
    "any": "any",
    "auto": "auto",
    "none": None,
}
"""The value that forces the call of some tool, as far as the server supports that."""


def _sanitise_schema(definition: FunctionDefinition, traits: Traits) -> frozenset[str]:
    """Reduce a definition's schema to the server's level; return the keys that were dropped."""
    sanitised = SCHEMA_CACHE.sanitised(definition.parameters, traits.schema)
    definition.parameters = sanitised.schema
    return sanitised.dropped_keywords


def _strict(tool: ToolDefinition, definition: FunctionDefinition) -> bool | None:
    """Return ``strict``, but None if the schema does not allow true, for which OpenAI answers 400."""
    return tool.strict if not tool.strict or is_strict(definition.parameters) else None
