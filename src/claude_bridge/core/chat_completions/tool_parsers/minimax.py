r"""Parsers for MiniMax.

M2: ``<minimax:tool_call>\n<invoke name="f">\n<parameter name="k">v</parameter>\n</invoke>\n</minimax:tool_call>``,
from the model's chat template and SGLang's ``minimax_m2``; strings are exact, everything else is JSON. M1 and
M1: ``<tool_calls>\n{"name": …, "arguments": {…}}\n…</tool_calls>``, one call on each line, from vLLM's
``minimax_tool_parser``; Jamba writes an array there.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Parser
from claude_bridge.core.chat_completions.tool_parsers.invoke import invokes
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

M2 = "<minimax:tool_call>"
M1 = "<tool_calls>"


def minimax_m2(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows the opening tag."""
    yield from invokes(cursor, tools, "", "</minimax:tool_call>")


def minimax_m1(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse the lines after the opening tag."""
    while True:
        yield from cursor.skip_blank()
        if (yield from cursor.peek()) not in {"{", "["}:
            break
        yield json_calls.calls((yield from cursor.read_json()))
    yield from cursor.accept_closing("</tool_calls>")
