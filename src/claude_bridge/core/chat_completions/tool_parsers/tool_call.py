"""``<tool_call>`` opens three syntaxes; what follows it tells which."""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Steps
from claude_bridge.core.chat_completions.tool_parsers.glm import glm
from claude_bridge.core.chat_completions.tool_parsers.hermes import hermes
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.qwen3_coder import FUNCTION, qwen3_coder


def tool_call(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the opening tag."""
    yield from cursor.blank()
    if (yield from cursor.take(FUNCTION)):
        yield from qwen3_coder(cursor, tools)
    elif (yield from cursor.peek()) in {"{", "["}:
        yield from hermes(cursor)
    else:
        yield from glm(cursor, tools)
