"""Tool definitions and tool choice, Anthropic -> OpenAI (wire-contract 5.1, 5.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.anthropic import EMPTY, Tool, ToolChoice
from claude_bridge.core.openai import FunctionDefinition, FunctionName, FunctionTool, NamedToolChoice
from claude_bridge.core.wire import Raw, present

MAX_NAME: Final = 64
"""Longest function name that OpenAI's API takes."""

_LEGAL: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')

SERVER_TOOLS: Final = (
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "tool_search_tool_",
    "advisor_",
    "mcp_toolset",
)
"""Beginnings of the types that Anthropic's servers would run; new dates appear often, so dates do not count."""

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
    :ivar web_search: the request brought a web search tool that Anthropic's servers would run.
    """

    definitions: list[FunctionTool]
    upstream_names: Mapping[str, str]
    web_search: bool = False

    def upstream_name(self, name: str) -> str:
        """Give the name under which the backend knows a tool, in definitions, history and choice alike."""
        return self.upstream_names.get(name) or upstream_name(name)

    def downstream_names(self) -> dict[str, str]:
        """Give the way back, for the answer."""
        return {legal: name for name, legal in self.upstream_names.items()}


def offered(tools: Iterable[Tool], *, referenced: frozenset[str], removed: frozenset[str]) -> OfferedTools:
    """Choose and convert the tools.

    A deferred tool is offered only if the conversation refers to it (tool search loaded it); that also drops Claude
    Code's ``DeferredToolPlaceholder``. Tools that Anthropic's servers run have no counterpart and are left out.
    """
    definitions: list[FunctionTool] = []
    names: dict[str, str] = {}
    web_search = False
    for tool in tools:
        kind = tool.type or "custom"
        if kind.startswith(SERVER_TOOLS):
            web_search = web_search or kind.startswith("web_search_")
            continue
        if (tool.defer_loading and tool.name not in referenced) or tool.name in removed:
            continue
        definition = _definition(tool, kind)
        legal = upstream_name(definition.name)
        if legal != definition.name:
            names[definition.name] = legal
            definition.name = legal
        definitions.append(FunctionTool(definition))
    return OfferedTools(definitions, names, web_search)


def upstream_name(name: str) -> str:
    """Give a legal function name: the same if it is one, else a cut one with a hash, always the same."""
    if _LEGAL.match(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: MAX_NAME - 9]}_{digest}"


def chosen(choice: ToolChoice, tools: OfferedTools) -> str | NamedToolChoice | None:
    """Convert the tool choice; None where it would point at nothing (a choice goes with its tool)."""
    if not tools.definitions:
        return None
    if choice.type == "any":
        return "required"
    if choice.type == "none":
        return "none"
    if choice.type == "tool" and choice.name:
        name = tools.upstream_name(choice.name)
        if any(tool.function.name == name for tool in tools.definitions):
            return NamedToolChoice(FunctionName(name))
        return None
    return "auto"


def _definition(tool: Tool, kind: str) -> FunctionDefinition:
    known = next((value for prefix, value in _CLIENT_TOOLS.items() if kind.startswith(prefix)), None)
    if known is not None and tool.input_schema is EMPTY:
        name, description, schema = known
        return FunctionDefinition(tool.name or name, tool.description or description, Raw(schema))
    schema_given = tool.input_schema if present(tool.input_schema) else _NO_PARAMETERS
    return FunctionDefinition(tool.name, tool.description, schema_given)
