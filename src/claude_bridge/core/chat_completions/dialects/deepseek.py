"""DeepSeek: thinking is on by default, and its text must come back on every turn (docs/servers.md 2.1)."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted, forces_a_tool
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

# `strict` needs the beta base URL and all tools or none; `parallel_tool_calls` and JSON schemas are undocumented.
_COMMON: Final = Traits(
    call_content="empty",
    parallel_tool_calls=False,
    prefill="prefix",
    structured_output="json_object",
    # DSML occurs in the text of its own API, too (docs/chat-completions.md 2.3)
    recover_tool_calls=True,
)
_V4: Final = evolve(
    _COMMON,
    reasoning_control="thinking_effort",
    reasoning_levels=("low", "high", "max"),
    reasoning_echo="all_turns",
)
_V3: Final = evolve(_COMMON, reasoning_control="thinking_type", reasoning_echo="after_last_user", images="refuse")


@frozen
class DeepSeek(Hosted):
    """DeepSeek's own API, V4 and earlier.

    V4 refuses a conversation in which a turn's ``reasoning_content`` is missing ("The reasoning_content in the thinking
    mode must be passed back to the API"); the old reasoner must not get any from before the last question (AI SDK
    deepseek 2.0.69). ``prefix`` only works with the base URL that ends in ``/beta``. Temperature and the like may be
    sent while the model thinks, without effect.
    """

    name: ClassVar[str] = "deepseek"
    server: ClassVar[str] = "DeepSeek's own API, V4 and what went before"
    notes: ClassVar[tuple[str, ...]] = (
        'turns thinking off where a tool is forced: "Thinking mode does not support this tool_choice"',
    )
    hosts: ClassVar[tuple[str, ...]] = ("api.deepseek.com",)
    default_traits: ClassVar[Traits] = _V4
    families: ClassVar[Families] = (
        (r"reasoner|\br1\b", evolve(_V3, reasoning_control="none", tool_choice="auto")),
        (r"deepseek-(?:chat|coder|v[23])", _V3),
        (r"-pro\b", evolve(_V4, images="refuse")),
    )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Turn thinking off if a tool is forced, as both together are refused.

        "Thinking mode does not support this tool_choice" (DeepSeek-V3 issue 1376).

        A client that forces a tool needs that call more than thinking, and Anthropic's API does not allow both either.
        ``auto`` is the default, and is left out because some reports say that it is refused.
        """
        super().shape(chat, extra, shaping)
        if forces_a_tool(chat) and shaping.traits.reasoning_control != "none":
            extra["thinking"] = {"type": "disabled"}
            chat.reasoning_effort = None
        elif chat.tool_choice == "auto":
            chat.tool_choice = None
