"""How much to think, and which past thinking to send back (wire-contract 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.anthropic import MessagesRequest, ThinkingConfig
from claude_bridge.core.openai import ChatRequest
from claude_bridge.core.traits import Level, ReasoningControl

_EFFORTS: Final[Mapping[str, Level]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_BUDGETS: Final[tuple[tuple[int, Level], ...]] = ((2048, "low"), (8192, "medium"), (24576, "high"))


def wanted(thinking: ThinkingConfig | None) -> bool:
    """Tell whether the client asked to see thinking, in any form."""
    return thinking is not None and thinking.type in {"enabled", "adaptive", "between_tools"}


def level(request: MessagesRequest) -> Level | None:
    """Give the level that the client wants, or None where it says nothing at all.

    ``thinking: disabled`` is none whatever the effort says: the effort then speaks of the answer.
    """
    thinking, config = request.thinking, request.output_config
    if thinking is not None and thinking.type == "disabled":
        return "none"
    effort = _EFFORTS.get(config.effort or "") if config is not None else None
    if effort is not None:
        return effort
    if thinking is None:
        return None
    if thinking.type == "between_tools":
        return "none"
    if thinking.budget_tokens is None:
        return "medium"
    budget = thinking.budget_tokens
    return next((name for limit, name in _BUDGETS if budget < limit), "xhigh")


def control(how: ReasoningControl, wanted_level: Level | None, chat: ChatRequest, extra: dict[str, object]) -> None:
    """Ask the backend for the level in the way that the model is configured for."""
    if wanted_level is None or how == "none":
        return
    thinks = wanted_level != "none"
    if how == "effort":
        chat.reasoning_effort = wanted_level
    elif how == "enable_thinking":
        extra["chat_template_kwargs"] = {"enable_thinking": thinks}
    else:
        extra["thinking"] = {"type": "enabled" if thinks else "disabled"}
