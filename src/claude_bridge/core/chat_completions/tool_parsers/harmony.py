"""Parser for harmony, the format of gpt-oss.

``<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>``, usually behind
``<|start|>assistant``, from OpenAI's description of the format, as llama.cpp and SGLang's ``gpt_oss_detector`` read
it. The recipient may also stand before the channel, the channel be ``analysis``, and the type be ``json`` or
``code`` without ``<|constrain|>``; all of them are seen from the models.
"""

from __future__ import annotations

from claude_bridge.core.chat_completions.tool_parsers import json_calls
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, NotACall, ParsedCall, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

START = "<|start|>assistant"
COMMENTARY = "<|channel|>commentary"
ANALYSIS = "<|channel|>analysis"
RECIPIENT = " to="
CHANNELS = (COMMENTARY + RECIPIENT, ANALYSIS + RECIPIENT)


def harmony(cursor: Cursor, _tools: Tools) -> Parser[None]:
    """Parse what follows the start of the message, or the channel and ``to=``."""
    opening = cursor.opening
    if opening == START:
        opening = yield from cursor.expect(RECIPIENT, *CHANNELS)
    name = yield from cursor.read_word()
    yield from cursor.skip_blank()
    if opening == RECIPIENT:
        yield from cursor.expect(COMMENTARY, ANALYSIS)
        yield from cursor.skip_blank()
    yield from cursor.accept("<|constrain|>")
    yield from cursor.skip_blank()
    yield from cursor.read_word()
    yield from cursor.skip_blank()
    yield from cursor.expect("<|message|>")
    yield from cursor.skip_blank()
    arguments = yield from cursor.read_json()
    if not (yield from cursor.accept_closing("<|call|>", "<|end|>")):
        raise NotACall
    yield (ParsedCall(name.removeprefix("functions."), json_calls.decode(arguments)),)
