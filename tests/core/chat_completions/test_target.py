"""Tests for `claude_bridge.core.chat_completions.target`."""

from __future__ import annotations

from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.target import Target


class TargetTests:
    """What a model needs to be known as."""

    def test_defaults(self) -> None:
        """A model that only has a name is treated as a local one with an unknown chat template."""
        target = Target(model="m")
        assert target.dialect is DIALECTS["generic"]
        assert (target.context_window, target.max_output_tokens) == (None, None)
        assert (target.reasoning_control, target.reasoning_echo) == ("none", "current_turn")
        assert target.system_messages == "fold"
        assert target.strip_attribution
