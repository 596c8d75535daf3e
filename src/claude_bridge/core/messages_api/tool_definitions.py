"""The tools of a Messages request -> neutral tool definitions, for those that can be offered.

See docs/chat-completions.md 1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from claude_bridge.core.conversation import ToolDefinition
from claude_bridge.core.messages_api.anthropic_types import EMPTY, Tool
from claude_bridge.core.strict_json import Raw, present

_NO_KEYS: Final = Raw(b"{}")
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
"""Prefixes of the types of tools that Anthropic's servers would run; the dates after them change often."""

TOOLSETS: Final = ("computer_toolset_", "browser_toolset_")
"""Prefixes of toolsets whose members only Anthropic's models know, so that there is nothing to offer."""

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


def definitions(
    tools: Iterable[Tool], *, referenced: AbstractSet[str], removed: AbstractSet[str]
) -> Iterator[ToolDefinition]:
    """Yield the tools that can be offered.

    A deferred tool is offered only if the conversation refers to it (tool search loaded it); that also drops Claude
    Code's ``DeferredToolPlaceholder``. Tools that Anthropic's servers run, or that only its models know, have no
    counterpart and are left out.
    """
    for tool in tools:
        if tool.name in removed or (tool.defer_loading and tool.name not in referenced):
            continue
        definition = _definition(tool)
        if definition is not None:
            yield definition


def only_web_search(tools: Sequence[Tool], *, referenced: Callable[[], AbstractSet[str]]) -> bool:
    """Return whether the only tools are web search and others that Anthropic would run, as in Claude Code's WebSearch.

    ``referenced`` returns the names of loaded tools; it is called only if the answer depends on them.
    """
    kinds = [tool.type or "custom" for tool in tools]
    if not any(kind.startswith(WEB_SEARCH) for kind in kinds):
        return False
    others = [tool for tool, kind in zip(tools, kinds, strict=True) if not kind.startswith(SERVER_TOOLS)]
    if any(not tool.defer_loading for tool in others):
        return False
    return not others or not any(tool.name in referenced() for tool in others)


def _definition(tool: Tool) -> ToolDefinition | None:
    """Return the neutral definition of one tool, or None for one that cannot be offered."""
    kind = tool.type or "custom"
    if kind != "custom" and (tool.input_schema is EMPTY or kind.startswith(SERVER_TOOLS)):
        return _known_typed_tool(tool, kind)
    schema = tool.input_schema
    parameters = schema if _is_useful_schema(schema) else _NO_PARAMETERS
    return ToolDefinition(tool.name, tool.description, parameters, tool.strict)


def _known_typed_tool(tool: Tool, kind: str) -> ToolDefinition | None:
    """Return a typed tool with the schema that Anthropic's models know by heart; None for an unknown type."""
    if kind.startswith(TOOLSETS):
        return None
    for prefix, (name, description, schema) in _CLIENT_TOOLS.items():
        if kind.startswith(prefix):
            full_description = tool.description or f"{description}{_screen_size(tool)}"
            return ToolDefinition(tool.name or name, full_description, Raw(schema), tool.strict)
    return None


def _screen_size(tool: Tool) -> str:
    """Return a sentence with the screen's size, without which a model clicks in the wrong places."""
    if tool.display_width_px is None or tool.display_height_px is None:
        return ""
    return f" The screen is {tool.display_width_px} pixels wide and {tool.display_height_px} high."


def _is_useful_schema(schema: Raw) -> bool:
    return present(schema) and schema != _NO_KEYS
