"""Calls as plain JSON with nothing around them: ``{"name": …, "arguments": {…}}``, where they are the whole answer.

Small Qwen coders and Llama 3 write so where the server's parser waits for their tags or tokens (Ollama issues 13931 and
15529). JSON is also what people ask for, so only an object counts that begins the answer with the name of an offered
tool, has its arguments and nothing else, and is followed by nothing but more of its kind.
"""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

OPENING = "{"

MAX_JSON_CHARACTERS: Final = 512 * 1024
"""Characters of such an answer: a file that is written whole is far smaller."""

_FORMS: Final = ({"name", "arguments"}, {"name", "parameters"})
_between: Final = re.compile(r"\}[ \t\r]*\n\s*\{").sub


def bare(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the brace, to the end of the answer."""
    yield from cursor.blank()
    if (yield from cursor.demand('"name"', '"type"')) == '"type"':
        for mark in (":", '"function"', ",", '"name"'):
            yield from cursor.blank()
            yield from cursor.demand(mark)
    for mark in (":", '"'):
        yield from cursor.blank()
        yield from cursor.demand(mark)
    name = yield from cursor.word()
    if name not in tools.names:
        raise NotACall
    text = yield from cursor.rest_within(MAX_JSON_CHARACTERS)
    yield _calls(f'{{"name":"{name}{text}')


def _calls(text: str) -> tuple[ParsedCall, ...]:
    """Read one call, or several, each on lines of its own; nothing if there is anything else."""
    for candidate in (text, f"[{_between('},{', text)}]"):
        value = json_calls.decoded(candidate)
        items = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) and _is_call(item) for item in items):
            return json_calls.calls(candidate)
    return ()


def _is_call(item: dict[str, object]) -> bool:
    arguments = item.get("arguments", item.get("parameters"))
    named = item.keys() - {"type"} in _FORMS and item.get("type", "function") == "function"
    return named and isinstance(arguments, dict)
