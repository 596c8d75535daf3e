# ruff: noqa: RUF001, RUF002 - the markers are written with full-width bars
"""DeepSeek V3.2 and V4, the markup language they call DSML.

``<｜DSML｜function_calls><｜DSML｜invoke name="…"><｜DSML｜parameter name="…" string="true|false">…</｜DSML｜parameter>
</｜DSML｜invoke></｜DSML｜function_calls>``, from DeepSeek's encoding beside the models and SGLang's
``deepseekv32_detector``: a JSON object may stand in place of the parameters, and the prefix may be missing. V4 says
``tool_calls``, V4.1 ``calls`` with a space before each word (``deepseekv41_detector``); some servers double the bars.
"""

from __future__ import annotations

from typing import Final

from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Steps
from claude_bridge.core.chat_completions.tool_parsers.invoke import invokes
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

PREFIXES: Final = {
    "<｜DSML｜function_calls>": "｜DSML｜",
    "<｜DSML｜tool_calls>": "｜DSML｜",
    "<｜DSML｜ calls>": "｜DSML｜ ",
    "<｜｜DSML｜｜function_calls>": "｜｜DSML｜｜",
    "<｜｜DSML｜｜tool_calls>": "｜｜DSML｜｜",
    "<function_calls>": "",
}
"""What stands before each tag's word, by the opening tag."""


def dsml(cursor: Cursor, tools: Tools) -> Steps[None]:
    """Read what is behind the opening tag."""
    yield from invokes(cursor, tools, PREFIXES[cursor.opening], f"</{cursor.opening[1:]}")
