r"""Parser for Qwen3-Coder, Qwen 3.5 and Nemotron 3.

``<tool_call>\n<function=NAME>\n<parameter=KEY>\nvalue\n</parameter>\n</function>\n</tool_call>``, from the models'
chat template and vLLM's ``qwen3coder_tool_parser``. The models often leave out the outer opening tag. Values are
written without quotes, between two line breaks that are the template's. Instead of parameters there may be a JSON
object, as in Llama's ``<function=NAME>{…}</function>``.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

FUNCTION = "<function="
PARAMETER = "<parameter="
FUNCTION_END = "</function>"
OUTER_END = "</tool_call>"


def qwen3_coder(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows ``<function=``, and further functions inside the same outer tag."""
    while True:
        name = yield from cursor.read_header(">")
        yield from cursor.skip_blank()
        if (yield from cursor.peek()) == "{":
            arguments = json_calls.decode((yield from cursor.read_json()))
            yield from cursor.skip_blank()
            yield from cursor.expect(FUNCTION_END)
        else:
            arguments = yield from _parameters(cursor, tools, name)
        yield (ParsedCall(name, arguments),)
        yield from cursor.skip_blank()
        if not (yield from cursor.accept(FUNCTION)):
            break
    yield from cursor.accept_closing(OUTER_END)


def _parameters(cursor: Cursor, tools: Tools, name: str) -> Parser[dict[str, object]]:
    arguments: dict[str, object] = {}
    while (yield from cursor.expect(PARAMETER, FUNCTION_END)) == PARAMETER:
        key = yield from cursor.read_header(">")
        value = yield from cursor.read_value("</parameter>", PARAMETER, FUNCTION_END)
        arguments[key] = tools.convert_value(name, key, value.removeprefix("\n").removesuffix("\n"))
        yield from cursor.skip_blank()
    return arguments
