"""Parser for ``<invoke name="…"><parameter name="…">value</parameter></invoke>``, used by several families."""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools, parse_as

STRING = 'string="true"'
NOT_STRING = 'string="false"'


def invokes(cursor: Cursor, tools: Tools, prefix: str, closing: str) -> Parser[None]:
    """Parse calls up to the closing tag, or as long as further ones follow; ``prefix`` precedes each tag's name."""
    while True:
        yield from cursor.skip_blank()
        if not (yield from cursor.accept(f'<{prefix}invoke name="')):
            break
        name = yield from _name(cursor)
        yield from cursor.expect(">")
        yield from cursor.skip_blank()
        if (yield from cursor.peek()) == "{":
            arguments = json_calls.decode((yield from cursor.read_json()))
            yield from cursor.skip_blank()
            yield from cursor.expect(f"</{prefix}invoke>")
        else:
            arguments = yield from _parameters(cursor, tools, name, prefix)
        yield (ParsedCall(name, arguments),)
    yield from cursor.accept_closing(closing)


def _name(cursor: Cursor) -> Parser[str]:
    name = yield from cursor.read_header('"')
    yield from cursor.skip_blank()
    return name


def _parameters(cursor: Cursor, tools: Tools, name: str, prefix: str) -> Parser[dict[str, object]]:
    """Parse the parameters and the call's closing tag. A tag may say whether its value is a string."""
    opening, closing = f'<{prefix}parameter name="', f"</{prefix}invoke>"
    arguments: dict[str, object] = {}
    while (yield from cursor.expect(opening, closing)) == opening:
        key = yield from _name(cursor)
        string_mark = yield from cursor.accept(STRING, NOT_STRING)
        yield from cursor.skip_blank()
        yield from cursor.expect(">")
        value = yield from cursor.read_value(f"</{prefix}parameter>", opening, closing)
        if string_mark:
            arguments[key] = value if string_mark == STRING else parse_as((), value)
        else:
            arguments[key] = tools.convert_value(name, key, value)
        yield from cursor.skip_blank()
    return arguments
