r"""Hermes and Qwen 2.5, behind ``<tool_call>``: ``\n{"name": …, "arguments": {…}}\n</tool_call>``, one a call.

From the models' chat templates, as vLLM's ``hermes_tool_parser`` and llama.cpp's Hermes 2 Pro format read it. An
array of calls inside one pair of tags is Hunyuan's and Granite's. The closing tag may be missing before another
call and at the end of the answer.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, Steps

OPENING = "<tool_call>"
CLOSING = "</tool_call>"


def hermes(cursor: Cursor) -> Steps[None]:
    """Read what is behind the opening tag."""
    text = yield from cursor.json()
    if not (yield from cursor.followed(OPENING)) and not (yield from cursor.closed(CLOSING)):
        raise NotACall
    yield json_calls.calls(text)
