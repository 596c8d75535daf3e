"""Parsers for ``<tool_call>``, which opens three syntaxes: Hermes, GLM and Qwen3-Coder."""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.qwen3_coder import FUNCTION, qwen3_coder

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


def hermes(cursor: Cursor) -> Parser[None]:
    r"""Parse JSON of Hermes and Qwen 2.5: ``\n{"name": …, "arguments": {…}}\n</tool_call>``, a tag for each call.

    From the models' chat templates, as vLLM's ``hermes_tool_parser`` and llama.cpp's Hermes 2 Pro format read it. An
    array of calls inside one pair of tags is Hunyuan's and Granite's. The closing tag may be missing before another
    call and at the end of the answer.
    """
    text = yield from cursor.read_json()
    if not (yield from cursor.is_followed_by(OPENING)) and not (yield from cursor.accept_closing(CLOSING)):
        raise NotACall
    yield json_calls.calls(text)


KEY = "<arg_key>"


def glm(cursor: Cursor, tools: Tools) -> Parser[None]:
    r"""Parse a call of GLM 4.5 to 5. A word that is not the name of a tool is prose and is not held.

    ``NAME\n<arg_key>k</arg_key>\n<arg_value>v</arg_value>\n</tool_call>``, since 4.7 without the line breaks, from the
    models' chat templates and SGLang's ``glm4_moe_detector`` and ``glm47_moe_detector``. Strings are written without
    quotes, everything else as JSON.
    """
    name = yield from cursor.read_word()
    if name not in tools.names:
        raise NotACall
    yield from cursor.skip_blank()
    arguments: dict[str, object] = {}
    while (yield from cursor.expect(KEY, CLOSING)) == KEY:
        key = yield from cursor.read_header("</arg_key>")
        yield from cursor.skip_blank()
        yield from cursor.expect("<arg_value>")
        value = yield from cursor.read_value("</arg_value>", KEY, CLOSING)
        arguments[key] = tools.convert_value(name, key, value)
        yield from cursor.skip_blank()
    yield (ParsedCall(name, arguments),)


def tool_call(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows the opening tag."""
    yield from cursor.skip_blank()
    if (yield from cursor.accept(FUNCTION)):
        yield from qwen3_coder(cursor, tools)
    elif (yield from cursor.peek()) in {"{", "["}:
        yield from hermes(cursor)
    else:
        yield from glm(cursor, tools)
