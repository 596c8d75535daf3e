"""What the translation must know about the model it translates for."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from claude_bridge.core.dialect import DIALECTS, Dialect

ReasoningControl = Literal["none", "effort", "enable_thinking", "thinking_type"]
ReasoningEcho = Literal["auto", "never", "tool_turns", "all_turns", "after_last_user"]
SystemMessages = Literal["fold", "inline"]


@frozen(kw_only=True)
class Target:
    """One model at one backend, as far as a request's shape depends on it.

    :ivar model: the backend's own name for it.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar max_output_tokens: largest ``max_tokens`` to ask for, where known.
    """

    model: str
    dialect: Dialect = DIALECTS["generic"]
    context_window: int | None = None
    max_output_tokens: int | None = None
    reasoning_control: ReasoningControl = "none"
    reasoning_echo: ReasoningEcho = "auto"
    system_messages: SystemMessages = "fold"
    strip_attribution: bool = True
