"""Past thinking that goes back to the model: which of it, and in which field (wire-contract 5.5)."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, TextPart, ThinkingPart
from claude_bridge.core.chat_completions.traits import ReasoningEcho, ReasoningField

MISSING_REASONING: Final = " "
"""Stands for missing thinking: DeepSeek refuses a turn without the field, and the field without text (wire-contract
5.5)."""


def echoes(policy: ReasoningEcho, *, called: bool, after_question: bool) -> bool:
    """Return whether the thinking of such a turn goes back.

    ``called``: the turn has calls. ``after_question``: no person has spoken since.
    """
    match policy:
        case "current_turn":
            return called and after_question
        case "tool_turns":
            return called
        case "after_last_user":
            return after_question
        case "all_turns":
            return True
        case _:
            return False


def requires(policy: ReasoningEcho, *, called: bool, after_question: bool) -> bool:
    """Return whether the server is one that insists on thinking in such a turn.

    DeepSeek's older reasoner misses it only in turns with calls that belong to the present question ("Missing
    `reasoning_content` field in the assistant message at message index 4", continue 9606).
    """
    return policy == "all_turns" or (
        called and (policy == "tool_turns" or (policy == "after_last_user" and after_question))
    )


def set_reasoning(message: ChatMessage, thought: str, where: ReasoningField) -> None:
    """Put thinking into an assistant message whose content is still text or nothing.

    ``reasoning_details`` are the server's own objects: the text alone goes beside them, as ``reasoning``, and they come
    back with the state that the client kept.
    """
    if where == "reasoning_content":
        message.reasoning_content = thought
    elif where == "content":
        parts: list[ThinkingPart | TextPart] = [ThinkingPart([TextPart(thought)])]
        if isinstance(message.content, str) and message.content:
            parts.append(TextPart(message.content))
        message.content = parts
    else:
        message.reasoning = thought
