"""Llama 4 and 3.2: ``[get_weather(city="Paris"), …]``, a list of calls in Python, where it is the whole answer.

From Meta's prompt format, as vLLM's ``pythonic_tool_parser`` reads it: keyword arguments with literal values. It
begins with a bracket as much prose does, so it counts only at the start of an answer, with a known name next.
"""

from __future__ import annotations

import ast
import warnings
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

OPENING = "["

MAX_LIST_CHARACTERS: Final = 64 * 1024
"""Characters given to Python's own parser, which needs memory and stack by the hundredfold."""

_PLAIN: Final = (str, int, float, bool, type(None))


def pythonic(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the bracket, to the end of the answer."""
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
