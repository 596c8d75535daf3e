"""Llama 3.

``<|python_tag|>{"name": …, "parameters": {…}}``, further calls after ``;``, from Meta's prompt format and SGLang's
``llama32_detector``. Meta's built-in tools, ``<|python_tag|>brave_search.call(…)``, are nobody's tools here and stay
text.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

OPENING = "<|python_tag|>"


def llama(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read what is behind the marker."""
    while True:
        yield from cursor.blank()
        yield json_calls.calls((yield from cursor.json()))
        yield from cursor.blank()
        if not (yield from cursor.take(";")):
            break
    yield from cursor.closed("<|eom_id|>", "<|eot_id|>")
