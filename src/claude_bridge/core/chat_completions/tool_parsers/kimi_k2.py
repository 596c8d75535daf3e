"""Kimi K2.

``<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|>…
<|tool_calls_section_end|>``, from Moonshot's tool call guidance beside the model and SGLang's ``kimik2_detector``;
the section's marker in the singular and the name without ``functions.`` are in vLLM's parser and llama.cpp's.
"""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

SECTIONS = ("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>")
CALL = "<|tool_call_begin|>"

_identifier: Final = re.compile(r"(?:functions\.)?(.*?)(?::\d+)?", re.DOTALL).fullmatch


def kimi_k2(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read a section, or calls whose section marker was lost."""
    begun = cursor.opening == CALL
    while begun or (yield from _next(cursor)):
        begun = False
        identifier = yield from cursor.header("<|tool_call_argument_begin|>")
        yield from cursor.blank()
        arguments = yield from cursor.json()
        if not (yield from cursor.closed("<|tool_call_end|>")):
            raise NotACall
        yield (ParsedCall(_identifier(identifier)[1], json_calls.decoded(arguments)),)  # type: ignore[index]  # matches all
    yield from cursor.closed("<|tool_calls_section_end|>", "<|tool_call_section_end|>")


def _next(cursor: Cursor) -> Steps[str]:
    yield from cursor.blank()
    return (yield from cursor.take(CALL))
