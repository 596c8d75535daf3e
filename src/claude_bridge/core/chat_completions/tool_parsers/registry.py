"""Which marker opens which syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from claude_bridge.core.chat_completions.tool_parsers import (
    deepseek_v3,
    dsml,
    harmony,
    hermes,
    kimi_k2,
    kimi_k3,
    llama,
    minimax,
    mistral,
)
from claude_bridge.core.chat_completions.tool_parsers import qwen3_coder as qwen3
from claude_bridge.core.chat_completions.tool_parsers.cursor import Cursor, Steps
from claude_bridge.core.chat_completions.tool_parsers.offered_tools import Tools
from claude_bridge.core.chat_completions.tool_parsers.tool_call import tool_call

Syntax = Callable[[Cursor, Tools], Steps[None]]
"""Reads what is behind an opening marker."""

SYNTAXES: Final[Mapping[str, Syntax]] = {
    hermes.OPENING: tool_call,
    qwen3.FUNCTION: qwen3.qwen3_coder,
    **dict.fromkeys((*kimi_k2.SECTIONS, kimi_k2.CALL), kimi_k2.kimi_k2),
    kimi_k3.SECTION: kimi_k3.kimi_k3,
    **dict.fromkeys((deepseek_v3.SECTION, deepseek_v3.CALL), deepseek_v3.deepseek_v3),
    **dict.fromkeys(dsml.PREFIXES, dsml.dsml),
    minimax.M2: minimax.minimax_m2,
    minimax.M1: minimax.minimax_m1,
    mistral.OPENING: mistral.mistral,
    llama.OPENING: llama.llama,
    **dict.fromkeys((harmony.START, *harmony.CHANNELS), harmony.harmony),
}
"""By opening marker. The pythonic list has none: it must be the whole answer, and the scanner sees to it."""
