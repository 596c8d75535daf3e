"""Parsers for Llama: JSON after ``<|python_tag|>``, and a list of calls in Python as the whole answer."""

from __future__ import annotations

import ast
import warnings
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

PYTHON_TAG = "<|python_tag|>"


def llama(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse what follows the marker of Llama 3.

    ``<|python_tag|>{"name": …, "parameters": {…}}``, further calls after ``;``, from Meta's prompt format and SGLang's
    ``llama32_detector``. Calls of Meta's built-in tools, ``<|python_tag|>brave_search.call(…)``, stay text.
    """
    while True:
        yield from cursor.skip_blank()
        yield json_calls.calls((yield from cursor.read_json()))
        yield from cursor.skip_blank()
        if not (yield from cursor.accept(";")):
            break
    yield from cursor.accept_closing("<|eom_id|>", "<|eot_id|>")


PYTHON_LIST = "["

MAX_LIST_CHARACTERS: Final = 64 * 1024
"""Characters passed to Python's own parser, which needs a hundred times their size in memory and stack."""

_LITERAL_TYPES: Final = (str, int, float, bool, type(None))


def pythonic(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows the bracket of Llama 4 and 3.2, to the end of the answer.

    ``[get_weather(city="Paris"), …]``, from Meta's prompt format, as vLLM's ``pythonic_tool_parser`` reads it: keyword
    arguments with literal values. It begins with a bracket, as prose may, so it counts only at the start of an answer
    and with a known name next.
    """
    yield from cursor.skip_blank()
    name = yield from cursor.read_word()
    if name not in tools.names:
        raise NotACall
    yield from cursor.expect("(")
    text = yield from cursor.read_rest(MAX_LIST_CHARACTERS)
    yield _calls(f"[{name}({text}")


def _calls(text: str) -> tuple[ParsedCall, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of a backslash in a path
            tree = ast.parse(text.strip(), mode="eval").body
        return tuple(_call(element) for element in tree.elts) if isinstance(tree, ast.List) else ()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return ()  # the parser raises the last two for nesting that is too deep


def _call(node: ast.expr) -> ParsedCall:
    """Return one call; raises ValueError for anything else."""
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError(node)
    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise ValueError(keyword)
        arguments[keyword.arg] = _json(ast.literal_eval(keyword.value))
    return ParsedCall(ast.unparse(node.func), arguments)


def _json(value: object) -> object:
    """Return a literal as a JSON value; raises ValueError if it has no such form."""
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(value)
        return {key: _json(item) for key, item in value.items()}
    if not isinstance(value, _LITERAL_TYPES) or value in {float("inf"), float("-inf")}:
        raise ValueError(value)
    return value
