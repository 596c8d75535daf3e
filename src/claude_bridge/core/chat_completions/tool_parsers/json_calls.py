"""Calls that are written as JSON, ``{"name": …, "arguments": {…}}``, and arguments that are."""

from __future__ import annotations

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.answer.tool_arguments import ArgumentsFilter
from claude_bridge.core.chat_completions.tool_parsers.cursor import ParsedCall


def decoded(text: str) -> object:
    """Read a JSON object or array; None if it is none. Raw line breaks inside strings are what models write."""
    for candidate in (text, _escaped(text)):
        try:
            value: object = strict_json.decode(candidate.encode("utf-8", "replace"))
        except strict_json.JsonError:
            continue
        return value
    return None


def calls(text: str) -> tuple[ParsedCall, ...]:
    """Read one call or an array of them; nothing if any part of it is no call."""
    value = decoded(text)
    found = [_call(item) for item in (value if isinstance(value, list) else [value])]
    return tuple(call for call in found if call is not None) if None not in found else ()


def _call(value: object) -> ParsedCall | None:
    """Read a call: ``parameters`` is Llama's word for arguments, and some wrap it as OpenAI does."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = decoded(arguments) if arguments.strip() else None
        return None if arguments is None else ParsedCall(value["name"], arguments)
    return ParsedCall(value["name"], {} if arguments is None else arguments)


def _escaped(text: str) -> str:
    """Escape raw control characters inside strings, without touching what they stand in."""
    wrapped = '{"":' + text + "}"
    within = ArgumentsFilter().add(wrapped)
    return within[len('{"":') : -1] if len(within) > len(wrapped) else text
