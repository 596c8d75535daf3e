"""``<invoke name="…"><parameter name="…">value</parameter></invoke>``, which several families dress differently."""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools, read_as

STRING = 'string="true"'
OTHER = 'string="false"'


def invokes(cursor: Cursor, tools: Tools, prefix: str, closing: str) -> Steps[None]:
    """Read calls up to the closing tag, or to where no further call follows; ``prefix`` is before each tag's word."""
    while True:
        yield from cursor.blank()
        if not (yield from cursor.take(f'<{prefix}invoke name="')):
            break
        name = yield from _name(cursor)
        yield from cursor.demand(">")
        yield from cursor.blank()
        if (yield from cursor.peek()) == "{":
            arguments = json_calls.decoded((yield from cursor.json()))
            yield from cursor.blank()
            yield from cursor.demand(f"</{prefix}invoke>")
        else:
            arguments = yield from _parameters(cursor, tools, name, prefix)
        yield (ParsedCall(name, arguments),)
    yield from cursor.closed(closing)


def _name(cursor: Cursor) -> Steps[str]:
    name = yield from cursor.header('"')
    yield from cursor.blank()
    return name


def _parameters(cursor: Cursor, tools: Tools, name: str, prefix: str) -> Steps[dict[str, object]]:
    """Read parameters and the call's closing tag. Where a tag says whether it is a string, that holds."""
    opening, closing = f'<{prefix}parameter name="', f"</{prefix}invoke>"
    arguments: dict[str, object] = {}
    while (yield from cursor.demand(opening, closing)) == opening:
        key = yield from _name(cursor)
        told = yield from cursor.take(STRING, OTHER)
        yield from cursor.blank()
        yield from cursor.demand(">")
        value = yield from cursor.value(f"</{prefix}parameter>", opening, closing)
        if told:
            arguments[key] = value if told == STRING else read_as((), value)
        else:
            arguments[key] = tools.typed(name, key, value)
        yield from cursor.blank()
    return arguments
