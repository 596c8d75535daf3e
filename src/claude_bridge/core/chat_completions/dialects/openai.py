"""OpenAI: newer models use other field names, and do not reason beside tools on this path."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits

CHATS: Final = Traits(
    reasoning_echo="never",
    system_messages="inline",
    schema="basic",
    strict=True,
    pdf="file",
    prefill="refuse",
    max_tokens_field="max_completion_tokens",
)
"""gpt-4 and the like: no reasoning."""

REASONS: Final = evolve(
    CHATS,
    reasoning_control="effort",
    system_role="developer",
    # refused while they reason, or for any value but one
    drop=("temperature", "top_p", "stop"),
)
_O_SERIES: Final = evolve(REASONS, reasoning_levels=("low", "medium", "high"), parallel_tool_calls=False)

# a name may follow a prefix: "ft:", "openai/", and any deployment's name at Azure
_AT: Final = r"(?:^|[/:_-])"
_TEXT_ONLY: Final = r"(?:gpt-3\.5|gpt-4(?:-\d{4}|-32k|$))"

FAMILIES: Final[Families] = (
    (_AT + r"o[13]-(?:mini|preview)", evolve(_O_SERIES, images="refuse", pdf="text")),
    (_AT + r"o\d", _O_SERIES),
    (r"chat-latest|gpt-5-chat|search-api", CHATS),
    (_AT + r"gpt-5(?:-|$)", evolve(REASONS, reasoning_levels=("minimal", "low", "medium", "high"))),
    (_AT + r"gpt-5\.1(?:-|$)", evolve(REASONS, reasoning_levels=("none", "low", "medium", "high"))),
    (_AT + r"gpt-5", evolve(REASONS, reasoning_levels=("none", "low", "medium", "high", "xhigh"))),
    (
        r"gpt-6-(?:astra|rosalind)|gpt-6\.1-sol",
        evolve(REASONS, reasoning_levels=("low", "medium", "high", "xhigh", "max")),
    ),
    (
        _AT + r"gpt-(?:[6-9]|\d\d)",
        evolve(REASONS, reasoning_levels=("none", "low", "medium", "high", "xhigh", "max")),
    ),
    (_AT + _TEXT_ONLY, evolve(CHATS, images="refuse", pdf="text")),
)

_NO_REASONING_BESIDE_TOOLS: Final = _AT + r"gpt-(?:5\.[4-9]|[6-9]|\d\d)(?!.*chat)"
"""gpt-5.4 and later, which reason by default: "Function tools with reasoning_effort are not supported for
gpt-5.6 in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'"
(docs/servers.md 2.13). A few of gpt-6 know no ``none``, and have no tools here."""


@frozen
class OpenAI(Hosted):
    """OpenAI's chat completions."""

    name: ClassVar[str] = "openai"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "OpenAI's chat completions"
    notes: ClassVar[tuple[str, ...]] = ("turns reasoning off beside tools for models that refuse both together",)
    hosts: ClassVar[tuple[str, ...]] = ("api.openai.com", ".api.openai.com")
    default_traits: ClassVar[Traits] = CHATS
    families: ClassVar[Families] = FAMILIES

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Turn reasoning off beside tools for models that refuse both together.

        Azure has refused even the value ``none`` for some of these models (agentgateway 2894): from that refusal
        ``reasoning_control = none`` is learned, and then the field is left out.
        """
        super().shape(chat, extra, shaping)
        controlled = shaping.with_tools and shaping.traits.reasoning_control == "effort"
        if controlled and re.search(_NO_REASONING_BESIDE_TOOLS, shaping.model.lower()):
            chat.reasoning_effort = "none"
