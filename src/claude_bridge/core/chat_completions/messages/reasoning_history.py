"""Rules for past reasoning: which of it is sent back to the model, and in which field.

See docs/chat-completions.md 1.6.
"""

from __future__ import annotations

from typing import Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, TextPart, ThinkingPart
from claude_bridge.core.chat_completions.traits import ReasoningEcho, ReasoningField

MISSING_REASONING: Final = " "
"""Stands for missing reasoning: DeepSeek refuses a turn without the field, and the field without text.

See docs/chat-completions.md 1.6.
"""


def echoes(policy: ReasoningEcho, *, called: bool, after_question: bool) -> bool:
    """Return whether the reasoning of such a turn is sent back.

    ``called``: whether the turn has calls. ``after_question``: whether it comes after the last words of a person.
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
    """Return whether the server requires reasoning in such a turn.

    DeepSeek's older reasoner requires it only in turns with calls that belong to the current question ("Missing
    `reasoning_content` field in the assistant message at message index 4", continue 9606).
    """
    return policy == "all_turns" or (
        called and (policy == "tool_turns" or (policy == "after_last_user" and after_question))
    )


def set_reasoning(message: ChatMessage, thought: str, where: ReasoningField) -> None:
    """Set the reasoning of an assistant message whose content is text or nothing.

    ``reasoning_details`` are the server's own objects, which are restored from the client's state; here only the text
    is set, as ``reasoning``.
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
