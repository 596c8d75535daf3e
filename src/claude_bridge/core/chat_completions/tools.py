"""Tool definitions and tool choice, Anthropic -> OpenAI (wire-contract 5.1, 5.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.json_schema.sanitising import REMEMBERED, is_strict
from claude_bridge.core.chat_completions.openai_types import (
    FunctionDefinition,
    FunctionName,
    FunctionTool,
    NamedToolChoice,
)
from claude_bridge.core.chat_completions.traits import ToolChoices, Traits
from claude_bridge.core.messages_api.anthropic_types import EMPTY, Tool, ToolChoice
from claude_bridge.core.strict_json import Raw, present

MAX_NAME: Final = 64
"""Longest function name that OpenAI's API takes."""

_LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_PLAIN: Final = Traits()
_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')

WEB_SEARCH: Final = "web_search_"

SERVER_TOOLS: Final = (
    WEB_SEARCH,
    "web_fetch_",
    "code_execution_",
    "tool_search_tool_",
    "advisor_",
    "mcp_toolset",
)
"""Beginnings of the types that Anthropic's servers would run; new dates appear often, so dates do not count."""

TOOLSETS: Final = ("computer_toolset_", "browser_toolset_")
"""Families of tools whose members only Anthropic's models know: nothing is left to offer."""

_PATH: Final = b'"path":{"type":"string","description":"Absolute path."}'
_CLIENT_TOOLS: Final[Mapping[str, tuple[str, str, bytes]]] = {
    "bash_": (
        "bash",
        "Run a command in a persistent bash session.",
        (
            b'{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},'
            b'"restart":{"type":"boolean","description":"Restart the session instead."}}}'
        ),
    ),
    "text_editor_": (
        "str_replace_based_edit_tool",
        "View, create and edit text files.",
        b'{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert",'
        b'"undo_edit"]},' + _PATH + b',"view_range":{"type":"array","items":{"type":"integer"},"description":'
        b'"First and last line to view."},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":'
        b'{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"}},'
        b'"required":["command","path"]}',
    ),
    "memory_": (
        "memory",
        "Read and write files of a memory directory that outlives the conversation.",
        b'{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert",'
        b'"delete","rename"]},' + _PATH + b',"view_range":{"type":"array","items":{"type":"integer"}},"file_text":'
        b'{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":'
        b'{"type":"integer"},"insert_text":{"type":"string"},"old_path":{"type":"string"},"new_path":'
        b'{"type":"string"}},"required":["command"]}',
    ),
    "computer_": (
        "computer",
        "Use the screen, mouse and keyboard.",
        (
            b'{"type":"object","properties":{"action":{"type":"string","description":"What to do: screenshot, key, '
            b'type, mouse_move, left_click, right_click, double_click, scroll, wait ..."},"coordinate":{"type":'
            b'"array","items":{"type":"integer"}},"start_coordinate":{"type":"array","items":{"type":"integer"}},'
            b'"text":{"type":"string"},'
            b'"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":'
            b'"integer"},"duration":{"type":"number"}},"required":["action"]}'
        ),
    ),
}


@frozen
class OfferedTools:
    """The tools that a backend is offered.

    :ivar definitions: in the client's order.
    :ivar upstream_names: the client's name -> a legal one, only where they differ.
    :ivar removed: the keys that were taken out of schemas or replaced there.
    """

    definitions: list[FunctionTool]
    upstream_names: Mapping[str, str]
    removed: frozenset[str] = frozenset()

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


def offered(
    tools: Iterable[Tool], *, referenced: AbstractSet[str], removed: AbstractSet[str], traits: Traits = _PLAIN
) -> OfferedTools:
    """Choose and convert the tools.

    A deferred tool is offered only if the conversation refers to it (tool search loaded it); that also drops Claude
    Code's ``DeferredToolPlaceholder``. Tools that Anthropic's servers run, or that only its models know, have no
    counterpart and are left out. Of two with one name the first stays: servers refuse the second.
    """
    definitions: dict[str, FunctionTool] = {}
    names: dict[str, str] = {}
    slimmed: frozenset[str] = frozenset()
    for tool in tools:
        if tool.name in removed or (tool.defer_loading and tool.name not in referenced):
            continue
        definition = _definition(tool)
        if definition is None:
            continue
        legal = upstream_name(definition.name)
        if legal != definition.name:
            names[definition.name] = legal
            definition.name = legal
        if traits.schema != "none":
            slimmed |= _slim(definition, traits)
        if traits.strict:
            definition.strict = _strict(tool, definition)
        definitions.setdefault(legal, FunctionTool(definition))
    return OfferedTools(list(definitions.values()), names, slimmed)


def only_web_search(tools: Sequence[Tool], *, referenced: Callable[[], AbstractSet[str]]) -> bool:
    """Return whether the only tools are web search and others that Anthropic would run: Claude Code's WebSearch.

    ``referenced`` gives the names of loaded tools; it is asked only if that decides.
    """
    kinds = [tool.type or "custom" for tool in tools]
    if not any(kind.startswith(WEB_SEARCH) for kind in kinds):
        return False
    others = [tool for tool, kind in zip(tools, kinds, strict=True) if not kind.startswith(SERVER_TOOLS)]
    if any(not tool.defer_loading for tool in others):
        return False
    return not others or not any(tool.name in referenced() for tool in others)


def upstream_name(name: str) -> str:
    """Return a legal function name: the same if it is one, else a cut one with a hash, always the same."""
    if _LEGAL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: MAX_NAME - 9]}_{digest}"


def chosen(choice: ToolChoice | None, tools: OfferedTools, form: ToolChoices) -> ResolvedToolChoice:
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
    if choice.type == "none":
        forced_off = form in {"auto", "none"}
        return (
            ResolvedToolChoice(definitions=[])
            if forced_off
            else ResolvedToolChoice(definitions=everything, tool_choice="none")
        )
    if choice.type == "any":
        said = "You must call one of your tools now." if form in {"auto", "none"} else ""
        return ResolvedToolChoice(definitions=everything, tool_choice=_FORCES[form], instruction=said)
    if choice.type != "tool":
        return ResolvedToolChoice(definitions=everything, tool_choice=None if form == "none" else "auto")
    name = upstream_name(choice.name or "")
    only = [tool for tool in everything if tool.function.name == name]
    if not only:
        return ResolvedToolChoice(definitions=everything)
    if form == "named":
        return ResolvedToolChoice(definitions=everything, tool_choice=NamedToolChoice(FunctionName(name)))
    said = f"You must call the tool {name} now." if form in {"auto", "none"} else ""
    return ResolvedToolChoice(definitions=only, tool_choice=_FORCES[form], instruction=said)


_FORCES: Final[Mapping[ToolChoices, str | None]] = {
    "named": "required",
    "required": "required",
    "any": "any",
    "auto": "auto",
    "none": None,
}
"""How the server is told that some tool must be called, as far as it can be."""


def _slim(definition: FunctionDefinition, traits: Traits) -> frozenset[str]:
    """Bring a definition's schema down to the server's level; return the keys that went."""
    slim = REMEMBERED.sanitised(definition.parameters, traits.schema)
    definition.parameters = slim.schema
    return slim.removed


def _strict(tool: Tool, definition: FunctionDefinition) -> bool | None:
    """Pass ``strict`` on, but true only with a schema that may be strict: with another it is a 400 from OpenAI."""
    return tool.strict if not tool.strict or is_strict(definition.parameters) else None


def _definition(tool: Tool) -> FunctionDefinition | None:
    """Convert one tool; None for one that no backend can be offered."""
    kind = tool.type or "custom"
    if kind != "custom" and (tool.input_schema is EMPTY or kind.startswith(SERVER_TOOLS)):
        return _typed(tool, kind)
    schema = tool.input_schema
    return FunctionDefinition(tool.name, tool.description, schema if _says_something(schema) else _NO_PARAMETERS)


def _typed(tool: Tool, kind: str) -> FunctionDefinition | None:
    """Return a typed tool the schema that Anthropic's models know by heart; None for a type that is not known here."""
    if kind.startswith(TOOLSETS):
        return None
    for prefix, (name, description, schema) in _CLIENT_TOOLS.items():
        if kind.startswith(prefix):
            told = tool.description or f"{description}{_screen(tool)}"
            return FunctionDefinition(tool.name or name, told, Raw(schema))
    return None


def _screen(tool: Tool) -> str:
    """Return how large the screen is: a model that does not know clicks beside it."""
    if tool.display_width_px is None or tool.display_height_px is None:
        return ""
    return f" The screen is {tool.display_width_px} pixels wide and {tool.display_height_px} high."


def _says_something(schema: Raw) -> bool:
    return present(schema) and bytes(schema) != b"{}"
