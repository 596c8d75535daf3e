"""DashScope (Qwen): thinking is switched and limited by fields of its own."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted, forces_a_tool
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

_BASE: Final = Traits(
    reasoning_echo="after_last_user",
    images="refuse",
    prefill="partial",
    structured_output="json_object",
    top_k=True,
    # Qwen's tags occur in the text of its own API, too, as do those of other vendors' models
    recover_tool_calls=True,
)
_CACHED: Final = evolve(_BASE, cache_control=True)
_HYBRID: Final = evolve(_CACHED, reasoning_control="top_level")
_ALWAYS: Final = evolve(_CACHED, tool_choice="auto")
_KEEPS: Final = evolve(_HYBRID, reasoning_echo="all_turns", images="yes")

MAX_THINKING_TOKENS: Final = 32_768
"""Tokens of the largest thinking budget: one above the model's maximum is refused ("thinking_budget parameter must be a
positive integer and not greater than ..."), and so is zero (Qwen-Agent 941). Hybrid models support that many."""

_KEEPING: Final = r"qwen3\.[6-9]|qwen[4-9]"
"""Families with ``preserve_thinking``, which uses the thinking of all turns."""


@frozen
class DashScope(Hosted):
    """Alibaba's Model Studio, on its OpenAI-compatible path.

    Usage counts what was written to the cache as ``cache_creation_input_tokens``, inside the prompt's tokens (AI SDK
    alibaba 1.0.61). Marks of cached prefixes select explicit caching.
    """

    name: ClassVar[str] = "dashscope"
    server: ClassVar[str] = "Alibaba's Model Studio, the OpenAI path"
    notes: ClassVar[tuple[str, ...]] = ("turns thinking off where a tool or a shape of answer is forced",)
    hosts: ClassVar[tuple[str, ...]] = (
        "dashscope.aliyuncs.com",
        "dashscope-intl.aliyuncs.com",
        "dashscope-us.aliyuncs.com",
        ".dashscope.aliyuncs.com",
        ".maas.aliyuncs.com",
    )
    default_traits: ClassVar[Traits] = evolve(_HYBRID, images="yes")
    families: ClassVar[Families] = (
        (r"deepseek-v[4-9]", evolve(_BASE, reasoning_control="top_level", reasoning_echo="all_turns")),
        (r"glm", evolve(_BASE, reasoning_control="top_level", reasoning_echo="tool_turns")),
        (r"kimi-k2\.7|kimi-k[3-9]", evolve(_BASE, reasoning_echo="tool_turns", images="yes", tool_choice="auto")),
        (r"kimi", evolve(_BASE, reasoning_control="top_level", reasoning_echo="tool_turns", images="yes")),
        (r"deepseek-r1|qwq", _ALWAYS),
        (r"qvq|vl.*-thinking", evolve(_ALWAYS, images="yes")),
        (r"-thinking", _ALWAYS),
        (r"vl.*-instruct", evolve(_CACHED, images="yes")),
        (r"coder|-instruct|qwen2|qwen1", _CACHED),
        (r"qwen3\.[6-9].*max", evolve(_KEEPS, images="refuse")),
        (_KEEPING, _KEEPS),
        (r"qwen3\.5|vl|omni", evolve(_HYBRID, images="yes")),
        (r"deepseek|minimax", evolve(_BASE, reasoning_control="top_level")),
        (r"qwen3|qwen-", _HYBRID),
    )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Turn thinking off if a tool or a format of the answer is forced, and limit its budget.

        "The tool_choice parameter does not support being set to required or object in thinking mode", and structured
        output is not supported while thinking is on.
        """
        super().shape(chat, extra, shaping)
        if shaping.traits.reasoning_control != "top_level":
            return
        if forces_a_tool(chat) or chat.response_format is not None:
            extra["enable_thinking"] = False
            extra.pop("thinking_budget", None)
            return
        budget = extra.get("thinking_budget")
        if isinstance(budget, int):
            extra["thinking_budget"] = min(budget, MAX_THINKING_TOKENS)
        if re.search(_KEEPING, shaping.model.lower()):
            extra["preserve_thinking"] = True
