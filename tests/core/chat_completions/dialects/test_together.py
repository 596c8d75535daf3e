"""Tests for `claude_bridge.core.chat_completions.dialects.together`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.together import Together
from tests.core.chat_completions.dialects.translated import control, echoed


class TogetherTests:
    """Together AI."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            ("zai-org/GLM-5.1", "none", {"reasoning": {"enabled": False}}),
            ("zai-org/GLM-5.1", "high", {"reasoning": {"enabled": True}}),
            ("zai-org/GLM-5.1", "nothing", {}),
            ("moonshotai/Kimi-K2.6", "low", {"reasoning": {"enabled": True}}),
            ("deepseek-ai/DeepSeek-V4-Pro", "none", {"reasoning": {"enabled": False}}),
            ("deepseek-ai/DeepSeek-V4-Pro", "medium", {"reasoning_effort": "high"}),
            ("zai-org/GLM-5.3", "none", {"reasoning_effort": "low"}),
            ("moonshotai/Kimi-K3", "medium", {"reasoning_effort": "high"}),
            ("openai/gpt-oss-120b", "none", {"reasoning_effort": "low"}),
            ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "high", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Most models have a switch, some levels, one of them both (LiteLLM 1.109 and models.dev)."""
        assert control(Together(), model, level) == expected

    @pytest.mark.parametrize(
        ("model", "key"),
        [
            ("zai-org/GLM-5.3", "reasoning_content"),
            ("deepseek-ai/DeepSeek-V4-Pro", "reasoning_content"),
            ("Qwen/Qwen3.5-397B-A17B", "reasoning"),
        ],
    )
    def test_echo(self, model: str, key: str) -> None:
        """Thinking goes back under the name that it came by (Together's documentation)."""
        other = {"reasoning_content": "reasoning", "reasoning": "reasoning_content"}[key]
        assert echoed(Together(), model, key=key) == [None, None, "t3"]
        assert echoed(Together(), model, key=other) == [None, None, None]
