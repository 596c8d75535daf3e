"""Parser for Mistral.

``[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`` up to tokenizer v7; then ``[TOOL_CALLS]NAME[CALL_ID]x[ARGS]{…}``
(v11) and ``[TOOL_CALLS]NAME[ARGS]{…}`` (v13), each call with its own marker. From mistral-common's tokenizers, as
vLLM's ``mistral_tool_parser`` reads them, which also takes the name without ``[ARGS]``.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

OPENING = "[TOOL_CALLS]"


def mistral(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse what follows the marker."""
    yield from cursor.skip_blank()
    if (yield from cursor.peek()) in {"[", "{"}:
        yield json_calls.calls((yield from cursor.read_json()))
        return
    name = yield from cursor.read_word()
    if (yield from cursor.accept("[CALL_ID]")):
        yield from cursor.read_word()
    yield from cursor.accept("[ARGS]")
    yield from cursor.skip_blank()
    yield (ParsedCall(name, json_calls.decode((yield from cursor.read_json()))),)
