r"""Qwen3-Coder, Qwen 3.5 and Nemotron 3.

``<tool_call>\n<function=NAME>\n<parameter=KEY>\nvalue\n</parameter>\n</function>\n</tool_call>``, from the models'
chat template and vLLM's ``qwen3coder_tool_parser``. The models often leave out the outer opening tag. Values are
written without quotes, between two line breaks that are the template's. Instead of parameters there may be a JSON
object, as in Llama's ``<function=NAME>{…}</function>``.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

FUNCTION = "<function="
PARAMETER = "<parameter="
FUNCTION_END = "</function>"
OUTER_END = "</tool_call>"


def qwen3_coder(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind ``<function=``, and further functions inside the same outer tag."""
    while True:
        name = yield from cursor.header(">")
        yield from cursor.blank()
        if (yield from cursor.peek()) == "{":
            arguments = json_calls.decoded((yield from cursor.json()))
            yield from cursor.blank()
            yield from cursor.demand(FUNCTION_END)
        else:
            arguments = yield from _parameters(cursor, tools, name)
        yield (ParsedCall(name, arguments),)
        yield from cursor.blank()
        if not (yield from cursor.take(FUNCTION)):
            break
    yield from cursor.closed(OUTER_END)


def _parameters(cursor: Cursor, tools: Tools, name: str) -> Steps[dict[str, object]]:
    arguments: dict[str, object] = {}
    while (yield from cursor.demand(PARAMETER, FUNCTION_END)) == PARAMETER:
        key = yield from cursor.header(">")
        value = yield from cursor.value("</parameter>", PARAMETER, FUNCTION_END)
        arguments[key] = tools.typed(name, key, value.removeprefix("\n").removesuffix("\n"))
        yield from cursor.blank()
    return arguments
