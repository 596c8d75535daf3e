"""Decoding of calls written as JSON, ``{"name": …, "arguments": {…}}``, and of arguments in JSON."""

from __future__ import annotations

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.tool_parsers.cursor import ParsedCall
from claude_bridge.core.tool_arguments import ArgumentsFilter


def decode(text: str) -> object:
    """Return the decoded JSON, or None if it is invalid. Raw line breaks in strings are accepted: models write them."""
    for candidate in (text, _escape_controls(text)):
        try:
            value: object = strict_json.decode(candidate.encode("utf-8", "replace"))
        except strict_json.JsonError:
            continue
        return value
    return None


def calls(text: str) -> tuple[ParsedCall, ...]:
    """Return one call or those of an array; none if any item of it is not a call."""
    value = decode(text)
    found = [_call(item) for item in (value if isinstance(value, list) else [value])]
    return tuple(call for call in found if call is not None) if None not in found else ()


def _call(value: object) -> ParsedCall | None:
    """Return a call, or None: ``parameters`` is Llama's name for arguments, and some wrap a call as OpenAI does."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = decode(arguments) if arguments.strip() else None
        return None if arguments is None else ParsedCall(value["name"], arguments)
    return ParsedCall(value["name"], {} if arguments is None else arguments)


def _escape_controls(text: str) -> str:
    """Return the text with raw control characters inside strings escaped."""
    wrapped = '{"":' + text + "}"
    within = ArgumentsFilter().add(wrapped)
    return within[len('{"":') : -1] if len(within) > len(wrapped) else text
