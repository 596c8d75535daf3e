"""What a dialect makes of a level of thinking."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_bridge.core.chat_completions import reasoning
from claude_bridge.core.chat_completions.dialect import Dialect, Shaping
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.conversation import ReasoningLevel


def asked(dialect: Dialect, model: str, level: ReasoningLevel | None, *, stream: bool = True) -> dict[str, Any]:
    """Return the fields of a request to ``model``, but for its name and messages."""
    traits, chat, extra = dialect.traits(model), ChatRequest(model=model, stream=stream), dict[str, object]()
    reasoning.control(traits, reasoning.ReasoningRequest(level=level) if level is not None else None, chat, extra)
    dialect.shape(chat, extra, Shaping(model=model, traits=traits, level=level))
    fields: dict[str, Any] = {**msgspec.to_builtins(chat), **extra}
    return {name: value for name, value in fields.items() if name not in {"model", "stream", "stream_options"}}
