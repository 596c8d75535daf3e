# ruff: noqa: RUF001, RUF002 - the markers are written with full-width bars
"""Parsers for DeepSeek: the sections of V3 and R1 with their full-width bars, and DSML, the markup of V3.2 and V4."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.invoke import invokes
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

SECTION = "<｜tool▁calls▁begin｜>"
CALL = "<｜tool▁call▁begin｜>"
FENCE = "```"


def deepseek_v3(cursor: Cursor, _tools: Tools) -> Parser[None]:
    r"""Parse a section of V3, R1 or V3.1, or calls whose section marker was lost.

    ``<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n{…}\n```<｜tool▁call▁end｜>…
    <｜tool▁calls▁end｜>``; V3.1 writes ``NAME<｜tool▁sep｜>{…}`` instead. From the models' chat templates, as SGLang's
    ``deepseekv3_detector`` and ``deepseekv31_detector`` read them. The section's end may be missing, as llama.cpp's
    tests of the older templates note.
    """
    begun = cursor.opening == CALL
    while begun or (yield from _next_call(cursor)):
        begun = False
        name = yield from cursor.read_header("<｜tool▁sep｜>")
        yield from cursor.skip_blank()
        if (yield from cursor.peek()) not in {"{", "`"}:
            name = yield from cursor.read_word()
            yield from cursor.skip_blank()
        fenced = yield from cursor.accept(FENCE)
        yield from cursor.read_word()
        yield from cursor.skip_blank()
        arguments = yield from cursor.read_json()
        if fenced and not (yield from cursor.accept_closing(FENCE)):
            raise NotACall
        if not (yield from cursor.accept_closing("<｜tool▁call▁end｜>")):
            raise NotACall
        yield (ParsedCall(name, json_calls.decode(arguments)),)
    yield from cursor.accept_closing("<｜tool▁calls▁end｜>")


def _next_call(cursor: Cursor) -> Parser[str]:
    yield from cursor.skip_blank()
    return (yield from cursor.accept(CALL))


PREFIXES: Final = {
    "<｜DSML｜function_calls>": "｜DSML｜",
    "<｜DSML｜tool_calls>": "｜DSML｜",
    "<｜DSML｜ calls>": "｜DSML｜ ",
    "<｜｜DSML｜｜function_calls>": "｜｜DSML｜｜",
    "<｜｜DSML｜｜tool_calls>": "｜｜DSML｜｜",
    "<function_calls>": "",
}
"""The prefix of each tag's name, by the opening tag."""


def dsml(cursor: Cursor, tools: Tools) -> Parser[None]:
    """Parse what follows the opening tag of DSML.

    ``<｜DSML｜function_calls><｜DSML｜invoke name="…"><｜DSML｜parameter name="…" string="true|false">…
    </｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>``, from DeepSeek's encoding beside the models and
    SGLang's ``deepseekv32_detector``: a JSON object may stand in place of the parameters, and the prefix may be
    missing. V4 says ``tool_calls``, V4.1 ``calls`` with a space before each word (``deepseekv41_detector``); some
    servers double the bars.
    """
    yield from invokes(cursor, tools, PREFIXES[cursor.opening], f"</{cursor.opening[1:]}")
