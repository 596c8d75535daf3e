"""The parsers by the opening markers of their syntaxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import (
    deepseek_calls,
    harmony,
    kimi,
    llama,
    minimax,
    mistral_calls,
    tool_call_tag,
)
from claude_bridge.core.chat_completions.tool_parsers import qwen3_coder as qwen3
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Parser
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools

Syntax = Callable[[Cursor, Tools], Parser[None]]
"""Returns the parser of what follows an opening marker."""

SYNTAXES: Final[Mapping[str, Syntax]] = {
    tool_call_tag.OPENING: tool_call_tag.tool_call,
    qwen3.FUNCTION: qwen3.qwen3_coder,
    **dict.fromkeys((*kimi.K2_SECTIONS, kimi.K2_CALL), kimi.kimi_k2),
    kimi.K3_SECTION: kimi.kimi_k3,
    **dict.fromkeys((deepseek_calls.SECTION, deepseek_calls.CALL), deepseek_calls.deepseek_v3),
    **dict.fromkeys(deepseek_calls.PREFIXES, deepseek_calls.dsml),
    minimax.M2: minimax.minimax_m2,
    minimax.M1: minimax.minimax_m1,
    mistral_calls.OPENING: mistral_calls.mistral,
    llama.PYTHON_TAG: llama.llama,
    **dict.fromkeys((harmony.START, *harmony.CHANNELS), harmony.harmony),
}
"""By opening marker. Syntaxes that must be the whole answer have none; the scanner handles those."""
