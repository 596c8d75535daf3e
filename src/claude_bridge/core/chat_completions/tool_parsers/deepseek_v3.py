# ruff: noqa: RUF001, RUF002 - the markers are written with full-width bars
r"""DeepSeek V3, R1 and V3.1, with their full-width bars and low blocks.

``<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{…}\n```<｜tool▁call▁end｜>…
<｜tool▁calls▁end｜>``; V3.1 writes ``NAME<｜tool▁sep｜>{…}`` instead. From the models' chat templates, as SGLang's
``deepseekv3_detector`` and ``deepseekv31_detector`` read them. The section's end may be missing, as llama.cpp's
tests of the older templates note.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

SECTION = "<｜tool▁calls▁begin｜>"
CALL = "<｜tool▁call▁begin｜>"
FENCE = "```"


def deepseek_v3(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read a section, or calls whose section marker was lost."""
    begun = cursor.opening == CALL
    while begun or (yield from _next(cursor)):
        begun = False
        name = yield from cursor.header("<｜tool▁sep｜>")
        yield from cursor.blank()
        if (yield from cursor.peek()) not in {"{", "`"}:
            name = yield from cursor.word()
            yield from cursor.blank()
        fenced = yield from cursor.take(FENCE)
        yield from cursor.word()
        yield from cursor.blank()
        arguments = yield from cursor.json()
        if fenced and not (yield from cursor.closed(FENCE)):
            raise NotACall
        if not (yield from cursor.closed("<｜tool▁call▁end｜>")):
            raise NotACall
        yield (ParsedCall(name, json_calls.decoded(arguments)),)
    yield from cursor.closed("<｜tool▁calls▁end｜>")


def _next(cursor: Cursor) -> Steps[str]:
    yield from cursor.blank()
    return (yield from cursor.take(CALL))
