"""``<tool_call>``, which opens three syntaxes: what follows it tells which. The third is that of Qwen3-Coder."""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.qwen3_coder import FUNCTION, qwen3_coder

OPENING = "<tool_call>"
CLOSING = "</tool_call>"
KEY = "<arg_key>"


def hermes(cursor: Cursor) -> Steps[None]:
    r"""Read JSON of Hermes and Qwen 2.5: ``\n{"name": …, "arguments": {…}}\n</tool_call>``, one a call.

    From the models' chat templates, as vLLM's ``hermes_tool_parser`` and llama.cpp's Hermes 2 Pro format read it. An
    array of calls inside one pair of tags is Hunyuan's and Granite's. The closing tag may be missing before another
    call and at the end of the answer.
    """
    text = yield from cursor.json()
    if not (yield from cursor.followed(OPENING)) and not (yield from cursor.closed(CLOSING)):
        raise NotACall
    yield json_calls.calls(text)


def glm(cursor: Cursor, tools: Tools) -> Steps[None]:
    r"""Read a call of GLM 4.5 to 5. A word that is no tool's name is prose and waits for nothing.

    ``NAME\n<arg_key>k</arg_key>\n<arg_value>v</arg_value>\n</tool_call>``, since 4.7 without the line breaks, from the
    models' chat templates and SGLang's ``glm4_moe_detector`` and ``glm47_moe_detector``. Strings are written without
    quotes, everything else as JSON.
    """
    name = yield from cursor.word()
    if name not in tools.names:
        raise NotACall
    yield from cursor.blank()
    arguments: dict[str, object] = {}
    while (yield from cursor.demand(KEY, CLOSING)) == KEY:
        key = yield from cursor.header("</arg_key>")
        yield from cursor.blank()
        yield from cursor.demand("<arg_value>")
        value = yield from cursor.value("</arg_value>", KEY, CLOSING)
        arguments[key] = tools.typed(name, key, value)
        yield from cursor.blank()
    yield (ParsedCall(name, arguments),)


def tool_call(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the opening tag."""
    yield from cursor.blank()
    if (yield from cursor.take(FUNCTION)):
        yield from qwen3_coder(cursor, tools)
    elif (yield from cursor.peek()) in {"{", "["}:
        yield from hermes(cursor)
    else:
        yield from glm(cursor, tools)
