"""Llama: JSON behind ``<|python_tag|>``, and a list of calls in Python as the whole answer."""

from __future__ import annotations

import ast
import warnings
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

PYTHON_TAG = "<|python_tag|>"
PYTHON_LIST = "["

MAX_LIST_CHARACTERS: Final = 64 * 1024
"""Characters given to Python's own parser, which needs memory and stack by the hundredfold."""

_PLAIN: Final = (str, int, float, bool, type(None))


def llama(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read what is behind the marker of Llama 3.

    ``<|python_tag|>{"name": …, "parameters": {…}}``, further calls after ``;``, from Meta's prompt format and SGLang's
    ``llama32_detector``. Meta's built-in tools, ``<|python_tag|>brave_search.call(…)``, are nobody's tools here and
    stay text.
    """
    while True:
        yield from cursor.blank()
        yield json_calls.calls((yield from cursor.json()))
        yield from cursor.blank()
        if not (yield from cursor.take(";")):
            break
    yield from cursor.closed("<|eom_id|>", "<|eot_id|>")


def pythonic(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the bracket of Llama 4 and 3.2, to the end of the answer.

    ``[get_weather(city="Paris"), …]``, from Meta's prompt format, as vLLM's ``pythonic_tool_parser`` reads it: keyword
    arguments with literal values. It begins with a bracket as much prose does, so it counts only at the start of an
    answer, with a known name next.
    """
    yield from cursor.blank()
    name = yield from cursor.word()
    if name not in tools.names:
        raise NotACall
    yield from cursor.demand("(")
    text = yield from cursor.rest_within(MAX_LIST_CHARACTERS)
    yield _calls(f"[{name}({text}")


def _calls(text: str) -> tuple[ParsedCall, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a path with a backslash is no reason to speak up
            tree = ast.parse(text.strip(), mode="eval").body
        return tuple(_call(element) for element in tree.elts) if isinstance(tree, ast.List) else ()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return ()  # the last two are the parser's own words for nesting too deep


def _call(node: ast.expr) -> ParsedCall:
    """Read one call; raises ValueError for anything else."""
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError(node)
    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise ValueError(keyword)
        arguments[keyword.arg] = _json(ast.literal_eval(keyword.value))
    return ParsedCall(ast.unparse(node.func), arguments)


def _json(value: object) -> object:
    """Make sure that a literal has a form in JSON; raises ValueError if not."""
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(value)
        return {key: _json(item) for key, item in value.items()}
    if not isinstance(value, _PLAIN) or value in {float("inf"), float("-inf")}:
        raise ValueError(value)
    return value
