"""How a backend is asked for a level of reasoning (docs/chat-completions.md 1.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.reasoning_levels import nearest_level

TOKENS: Final[Mapping[ReasoningLevel, int]] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 4096,
    "high": 16384,
    "xhigh": 32768,
    "max": 65536,
}
"""Tokens of each level, for servers that only know budgets; they lie within the bounds that map a client's budget to a
level."""


@frozen(kw_only=True)
class ReasoningRequest:
    """How much reasoning to ask for.

    :ivar budget: the client's own number of tokens, if it gave one.
    :ivar limit: tokens of the whole answer, where known; a budget must be below it.
    """

    level: ReasoningLevel
    budget: int | None = None
    limit: int | None = None

    @property
    def thinks(self) -> bool:
        """Whether the model should reason at all."""
        return self.level != "none"

    @property
    def tokens(self) -> int:
        """Return the budget: the client's, else the level's; below the limit, with a quarter left for the answer."""
        tokens = self.budget if self.budget is not None else TOKENS[self.level]
        if self.limit is not None and tokens >= self.limit:
            tokens = self.limit * 3 // 4
        return max(1, tokens)


def control(traits: Traits, ask: ReasoningRequest | None, chat: ChatRequest, extra: dict[str, object]) -> None:
    """Set the fields that ask the backend for a level in its own way.

    The fields never contradict each other: no effort is sent beside thinking that is switched off (some servers answer
    400, claude-code-hub 1257). ``ask`` is None if the client does not say; then nothing is sent.
    """
    if ask is None:
        return
    match traits.reasoning_control:
        case "effort":
            chat.reasoning_effort = nearest_level(ask.level, traits.reasoning_levels)
        case "thinking_type" | "thinking_effort" | "thinking_budget":
            _thinking(traits, ask, chat, extra)
        case "enable_thinking" | "template_budget":
            extra["chat_template_kwargs"] = {"enable_thinking": ask.thinks}
            if ask.thinks and traits.reasoning_control == "template_budget":
                extra["thinking_budget_tokens"] = ask.tokens
        case "template_thinking":
            extra["chat_template_kwargs"] = {"thinking": ask.thinks}
        case "top_level":
            extra["enable_thinking"] = ask.thinks
            if ask.thinks:
                extra["thinking_budget"] = ask.tokens
        case "reasoning":
            _reasoning(traits, ask, extra)


def _thinking(traits: Traits, ask: ReasoningRequest, chat: ChatRequest, extra: dict[str, object]) -> None:
    """Set ``thinking: {type}`` and, if it is enabled, the budget or effort beside it."""
    thinking: dict[str, object] = {"type": "enabled" if ask.thinks else "disabled"}
    extra["thinking"] = thinking
    if not ask.thinks:
        return
    if traits.reasoning_control == "thinking_budget":
        thinking["budget_tokens"] = ask.tokens
    elif traits.reasoning_control == "thinking_effort":
        levels = [each for each in traits.reasoning_levels if each != "none"]
        chat.reasoning_effort = nearest_level(ask.level, levels)


def _reasoning(traits: Traits, ask: ReasoningRequest, extra: dict[str, object]) -> None:
    """Set OpenRouter's object: one of ``enabled``, ``max_tokens`` and ``effort``."""
    if ask.thinks and ask.budget is not None:
        extra["reasoning"] = {"max_tokens": ask.tokens}
        return
    level_ = nearest_level(ask.level, traits.reasoning_levels)
    if level_ == "none":
        extra["reasoning"] = {"enabled": False}
    elif level_ is not None:
        extra["reasoning"] = {"effort": level_}
