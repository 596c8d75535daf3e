r"""GLM 4.5 to 5, behind ``<tool_call>``.

``NAME\n<arg_key>k</arg_key>\n<arg_value>v</arg_value>\n</tool_call>``, since 4.7 without the line breaks, from the
models' chat templates and SGLang's ``glm4_moe_detector`` and ``glm47_moe_detector``. Strings are written without
quotes, everything else as JSON.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

KEY = "<arg_key>"
CLOSING = "</tool_call>"


def glm(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the opening tag. A word that is no tool's name is prose and waits for nothing."""
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
