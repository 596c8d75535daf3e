"""Calls as plain JSON with nothing around them: ``{"name": …, "arguments": {…}}``, where they are the whole answer.

Small Qwen coders and Llama 3 write this where the server's parser expects their tags or tokens (Ollama issues 13931 and
15529). Users ask for JSON, too, so an object is a call only if it begins the answer with the name of an offered tool,
has arguments and no other fields, and is followed by nothing but more such objects.
"""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

OPENING = "{"

MAX_JSON_CHARACTERS: Final = 512 * 1024
"""Characters of such an answer: a call that writes a whole file is far smaller."""

_FORMS: Final = ({"name", "arguments"}, {"name", "parameters"})
_between: Final = re.compile(r"\}[ \t\r]*\n\s*\{").sub


def bare_json(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows the brace, to the end of the answer."""
    yield from cursor.skip_blank()
    if (yield from cursor.expect('"name"', '"type"')) == '"type"':
        for mark in (":", '"function"', ",", '"name"'):
            yield from cursor.skip_blank()
            yield from cursor.expect(mark)
    for mark in (":", '"'):
        yield from cursor.skip_blank()
        yield from cursor.expect(mark)
    name = yield from cursor.read_word()
    if name not in tools.names:
        raise NotACall
    text = yield from cursor.read_rest(MAX_JSON_CHARACTERS)
    yield _calls(f'{{"name":"{name}{text}')


def _calls(text: str) -> tuple[ParsedCall, ...]:
    """Return one call, or several, each on lines of its own; none if there is anything else."""
    for candidate in (text, f"[{_between('},{', text)}]"):
        value = json_calls.decode(candidate)
        items = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) and _is_call(item) for item in items):
            return json_calls.calls(candidate)
    return ()


def _is_call(item: dict[str, object]) -> bool:
    arguments = item.get("arguments", item.get("parameters"))
    named = item.keys() - {"type"} in _FORMS and item.get("type", "function") == "function"
    return named and isinstance(arguments, dict)
