"""Parsers for Kimi: the sections of K2, and K3's markup language, XTML."""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools, parse_as

K2_SECTIONS = ("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>")
K2_CALL = "<|tool_call_begin|>"

_identifier: Final = re.compile(r"(?:functions\.)?(.*?)(?::\d+)?", re.DOTALL).fullmatch


def kimi_k2(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse a section of K2, or calls whose section marker was lost.

    ``<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|>…
    <|tool_calls_section_end|>``, from Moonshot's tool call guidance beside the model and SGLang's ``kimik2_detector``;
    the section's marker in the singular and the name without ``functions.`` are in vLLM's parser and llama.cpp's.
    """
    begun = cursor.opening == K2_CALL
    while begun or (yield from _next_call(cursor)):
        begun = False
        identifier = yield from cursor.read_header("<|tool_call_argument_begin|>")
        yield from cursor.skip_blank()
        arguments = yield from cursor.read_json()
        if not (yield from cursor.accept_closing("<|tool_call_end|>")):
            raise NotACall
        yield (ParsedCall(_identifier(identifier)[1], json_calls.decode(arguments)),)  # type: ignore[index]  # matches all
    yield from cursor.accept_closing("<|tool_calls_section_end|>", "<|tool_call_section_end|>")


def _next_call(cursor: Cursor) -> Parser[str]:
    yield from cursor.skip_blank()
    return (yield from cursor.accept(K2_CALL))


K3_SECTION = "<|open|>tools<|sep|>"
CALL = "<|open|>call "
CALL_END = "<|close|>call<|sep|>"
ARGUMENT = "<|open|>argument "
JSON_ARGUMENTS = "<|open|>json"
SEPARATOR = "<|sep|>"

_attributes: Final = re.compile(r'(\w+)="([^"]*)"').findall


def kimi_k3(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse a section of K3, and the end of the message that may follow it.

    ``<|open|>tools<|sep|><|open|>call tool="NAME" index="1"<|sep|><|open|>argument key="k" type="string"<|sep|>v
    <|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>``, from SGLang's ``kimik3_detector`` and the
    grammar that XGrammar has of it. The type is on the wire: strings are raw, everything else is JSON. In attributes
    only ``&`` and ``"`` are escaped. All arguments at once may stand in
    ``<|open|>json type="object"<|sep|>{…}<|close|>json<|sep|>``.
    """
    while True:
        yield from cursor.skip_blank()
        if not (yield from cursor.accept(CALL)):
            break
        name = (yield from _tag(cursor)).get("tool", "")
        yield from cursor.skip_blank()
        if (yield from cursor.accept(JSON_ARGUMENTS)):
            arguments = yield from _json_arguments(cursor)
        else:
            arguments = yield from _arguments(cursor)
        yield (ParsedCall(name, arguments),)
    for closing in ("<|close|>tools<|sep|>", "<|close|>message<|sep|>", "<|end_of_msg|>"):
        yield from cursor.accept_closing(closing)


def _tag(cursor: Cursor) -> Parser[dict[str, str]]:
    """Parse the attributes of a tag up to its end."""
    attributes = yield from cursor.read_header(SEPARATOR)
    return {key: value.replace("&quot;", '"').replace("&amp;", "&") for key, value in _attributes(attributes)}


def _json_arguments(cursor: Cursor) -> Parser[object]:
    yield from cursor.read_header(SEPARATOR)
    yield from cursor.skip_blank()
    arguments = json_calls.decode((yield from cursor.read_json()))
    for closing in ("<|close|>json<|sep|>", CALL_END):
        if not (yield from cursor.accept_closing(closing)):
            raise NotACall
    return arguments


def _arguments(cursor: Cursor) -> Parser[dict[str, object]]:
    arguments: dict[str, object] = {}
    while (yield from cursor.expect(ARGUMENT, CALL_END)) == ARGUMENT:
        attributes = yield from _tag(cursor)
        value = yield from cursor.read_value("<|close|>argument<|sep|>", ARGUMENT, CALL_END)
        raw = attributes.get("type", "string") == "string"
        arguments[attributes.get("key", "")] = value if raw else parse_as((), value)
        yield from cursor.skip_blank()
    return arguments
