"""The beginning of an answer that the client gives and the model is to continue (wire-contract 5.2, step 8)."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage
from claude_bridge.core.chat_completions.traits import Prefill
from claude_bridge.core.errors import InvalidRequest

REFUSAL: Final = "This model does not support assistant message prefill. The conversation must end with a user message."
"""Anthropic's own wording."""


def mark(messages: list[ChatMessage], how: Prefill) -> dict[str, object]:
    """Mark a trailing assistant message as the server wants it; return the request's fields that belong to it.

    Raises `InvalidRequest` where the model can only begin anew.
    """
    if not messages or messages[-1].role != "assistant":
        return {}
    match how:
        case "refuse":
            raise InvalidRequest(REFUSAL)
        case "prefix":
            messages[-1].prefix = True
        case "partial":
            messages[-1].partial = True
        case "continue":
            return {"continue_final_message": True, "add_generation_prompt": False}
        case _:
            pass
    return {}
