"""Kimi K3's XTML.

``<|open|>tools<|sep|><|open|>call tool="NAME" index="1"<|sep|><|open|>argument key="k" type="string"<|sep|>v
<|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>``, from SGLang's ``kimik3_detector`` and the grammar
that XGrammar has of it. The type is on the wire: strings are raw, everything else is JSON. In attributes only ``&``
and ``"`` are escaped. All arguments at once may stand in ``<|open|>json type="object"<|sep|>{…}<|close|>json<|sep|>``.
"""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools, read_as

SECTION = "<|open|>tools<|sep|>"
CALL = "<|open|>call "
CALL_END = "<|close|>call<|sep|>"
ARGUMENT = "<|open|>argument "
WHOLE = "<|open|>json"
SEPARATOR = "<|sep|>"

_attributes: Final = re.compile(r'(\w+)="([^"]*)"').findall


def kimi_k3(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read a section, and the end of the message that may follow it."""
    while True:
        yield from cursor.blank()
        if not (yield from cursor.take(CALL)):
            break
        name = (yield from _tag(cursor)).get("tool", "")
        yield from cursor.blank()
        if (yield from cursor.take(WHOLE)):
            arguments = yield from _whole(cursor)
        else:
            arguments = yield from _arguments(cursor)
        yield (ParsedCall(name, arguments),)
    for closing in ("<|close|>tools<|sep|>", "<|close|>message<|sep|>", "<|end_of_msg|>"):
        yield from cursor.closed(closing)


def _tag(cursor: Cursor) -> Steps[dict[str, str]]:
    """Read the attributes of a tag to its end."""
    attributes = yield from cursor.header(SEPARATOR)
    return {key: value.replace("&quot;", '"').replace("&amp;", "&") for key, value in _attributes(attributes)}


def _whole(cursor: Cursor) -> Steps[object]:
    yield from cursor.header(SEPARATOR)
    yield from cursor.blank()
    arguments = json_calls.decoded((yield from cursor.json()))
    for closing in ("<|close|>json<|sep|>", CALL_END):
        if not (yield from cursor.closed(closing)):
            raise NotACall
    return arguments


def _arguments(cursor: Cursor) -> Steps[dict[str, object]]:
    arguments: dict[str, object] = {}
    while (yield from cursor.demand(ARGUMENT, CALL_END)) == ARGUMENT:
        attributes = yield from _tag(cursor)
        value = yield from cursor.value("<|close|>argument<|sep|>", ARGUMENT, CALL_END)
        raw = attributes.get("type", "string") == "string"
        arguments[attributes.get("key", "")] = value if raw else read_as((), value)
        yield from cursor.blank()
    return arguments
