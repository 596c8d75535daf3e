"""Z.ai (GLM): tool calls stream only on request, tools cannot be forced, past thinking is kept on request."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

# Prefixes are cached automatically, so marks would only turn strings into lists.
_BASE: Final = Traits(
    reasoning_echo="never",
    tool_choice="auto",
    parallel_tool_calls=False,
    images="refuse",
    stream_options="none",
    structured_output="json_object",
    # GLM's tags have been seen in the text of its own API, too
    recover_tool_calls=True,
)
_THINKS: Final = evolve(_BASE, reasoning_control="thinking_type", reasoning_echo="tool_turns")
_LEVELS: Final = evolve(_THINKS, reasoning_control="thinking_effort", reasoning_levels=("high", "max"))
_ALWAYS: Final = evolve(_THINKS, reasoning_control="effort", reasoning_levels=("low", "high", "max"))

_STREAMS_TOOLS: Final = r"glm-(?:4\.[6-9]|[5-9])"
_KEEPS: Final = r"glm-(?:4\.[7-9]|[5-9])"


@frozen
class Zai(Hosted):
    """Z.ai and bigmodel.cn.

    From 4.7 on, thinking continues between calls and must be sent back with their results; ``clear_thinking: false``
    keeps it, which is the default of the coding endpoint only. 5.2 has levels, 5.3 always thinks (Z.ai's
    documentation).
    """

    name: ClassVar[str] = "zai"
    server: ClassVar[str] = "Z.ai and bigmodel.cn"
    notes: ClassVar[tuple[str, ...]] = (
        "asks for calls to be streamed as they are written: a long one comes after minutes of silence otherwise",
        "keeps thinking between calls",
    )
    hosts: ClassVar[tuple[str, ...]] = ("api.z.ai", "open.bigmodel.cn")
    default_traits: ClassVar[Traits] = _THINKS
    families: ClassVar[Families] = (
        (r"glm-5\.[3-9](?:v\b|.*flash)", evolve(_ALWAYS, images="yes")),
        (r"glm-5\.[3-9]|glm-[6-9]", _ALWAYS),
        (r"glm-5\.2", _LEVELS),
        (r"glm-[45](?:\.\d)?v", evolve(_THINKS, images="yes")),
        (r"glm-(?:4\.[5-9]|5)", _THINKS),
        (r"glm-4", _BASE),
    )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Ask for calls to be streamed, as a long one otherwise comes after minutes of silence, and keep thinking."""
        super().shape(chat, extra, shaping)
        name = shaping.model.lower()
        if shaping.with_tools and chat.stream and re.search(_STREAMS_TOOLS, name):
            extra["tool_stream"] = True
        thinking = extra.get("thinking")
        switched = thinking if isinstance(thinking, dict) else {"type": "enabled"}
        if re.search(_KEEPS, name) and switched["type"] == "enabled":
            extra["thinking"] = {**switched, "clear_thinking": False}
