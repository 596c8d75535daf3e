"""gpt-oss' harmony.

``<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>``, usually behind
``<|start|>assistant``, from OpenAI's description of the format, as llama.cpp and SGLang's ``gpt_oss_detector`` read
it. The recipient may also stand before the channel, the channel be ``analysis``, and the type be ``json`` or
``code`` without ``<|constrain|>``; all of them are seen from the models.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

START = "<|start|>assistant"
COMMENTARY = "<|channel|>commentary"
ANALYSIS = "<|channel|>analysis"
RECIPIENT = " to="
CHANNELS = (COMMENTARY + RECIPIENT, ANALYSIS + RECIPIENT)


def harmony(cursor: Cursor, _tools: Tools) -> Steps[None]:
    """Read what is behind the start of the message, or behind the channel and ``to=``."""
    opening = cursor.opening
    if opening == START:
        opening = yield from cursor.demand(RECIPIENT, *CHANNELS)
    name = yield from cursor.word()
    yield from cursor.blank()
    if opening == RECIPIENT:
        yield from cursor.demand(COMMENTARY, ANALYSIS)
        yield from cursor.blank()
    yield from cursor.take("<|constrain|>")
    yield from cursor.blank()
    yield from cursor.word()
    yield from cursor.blank()
    yield from cursor.demand("<|message|>")
    yield from cursor.blank()
    arguments = yield from cursor.json()
    if not (yield from cursor.closed("<|call|>", "<|end|>")):
        raise NotACall
    yield (ParsedCall(name.removeprefix("functions."), json_calls.decoded(arguments)),)
