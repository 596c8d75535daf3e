"""Tests for `claude_bridge.core.chat_completions.dialects.dashscope`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.dashscope import DashScope
from claude_bridge.core.events import Usage
from tests.core.asking import assistant, user
from tests.core.chat_completions.dialects.translated import ANY, LEVELS, NAMED, SHAPED, answers, control, echoed, fields


class DashScopeTests:
    """Alibaba's Model Studio."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            ("qwen-plus", "nothing", {}),
            ("qwen-plus", "none", {"enable_thinking": False}),
            ("qwen-plus", "low", {"enable_thinking": True, "thinking_budget": 1024}),
            ("qwen3.7-plus", "nothing", {"preserve_thinking": True}),
            ("qwen3.7-plus", "none", {"enable_thinking": False, "preserve_thinking": True}),
            ("qwen3-235b-a22b-thinking-2507", "none", {}),
            ("qwq-plus", "high", {}),
            ("qwen3-coder-plus", "high", {}),
            ("deepseek-v4-pro", "none", {"enable_thinking": False}),
            ("kimi-k2.7-code", "none", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Hybrid models have a switch and a budget; others think always or never (Model Studio, deep thinking)."""
        assert control(DashScope(), model, level) == expected

    def test_budget(self) -> None:
        """A budget is always sent, and never above what its models can: both is refused (Qwen-Agent 941)."""
        for level in ("low", "medium", "high", "xhigh", "max"):
            sent = fields(DashScope(), "qwen-plus", **LEVELS[level], max_tokens=128_000)
            assert 0 < sent["thinking_budget"] <= 32_768
        assert sent["thinking_budget"] == 32_768

    @pytest.mark.parametrize(
        ("model", "kept"),
        [
            ("qwen-plus", [None, None, "t3"]),
            ("qwen3.6-plus", ["t1", "t2", "t3"]),
            ("deepseek-v4-flash", ["t1", "t2", "t3"]),
            ("glm-5.1", ["t1", None, "t3"]),
        ],
    )
    def test_echo(self, model: str, kept: list[str | None]) -> None:
        """Past thinking is used where it is preserved, else only for the present question.

        See docs/chat-completions.md 1.6.
        """
        assert echoed(DashScope(), model) == kept

    @pytest.mark.parametrize("said", [ANY, NAMED, SHAPED])
    def test_no_thinking_beside(self, said: dict[str, Any]) -> None:
        """A forced tool or a shape of answer goes without thinking, which refuses both (Model Studio)."""
        sent = fields(DashScope(), "qwen3.7-plus", **said, thinking={"type": "enabled", "budget_tokens": 5000})
        assert sent["enable_thinking"] is False
        assert "thinking_budget" not in sent

    def test_always_thinking_is_never_forced(self) -> None:
        """A model that always thinks is asked in words."""
        assert fields(DashScope(), "qwq-plus", **ANY)["tool_choice"] == "auto"

    def test_prefill(self) -> None:
        """The beginning of an answer is marked (Model Studio, partial mode)."""
        assert answers(DashScope(), "qwen-plus", user("Count."), assistant("One,"))[-1]["partial"] is True

    def test_usage(self) -> None:
        """What was written to the cache is a part of the prompt (AI SDK alibaba 1.0.61)."""
        details = {"cached_tokens": 50, "cache_creation_input_tokens": 30, "cache_type": "ephemeral"}
        raw = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": details}
        assert DashScope().usage(raw) == Usage(20, 7, 50, 30)

    def test_images(self) -> None:
        """Text models say so."""
        names = ("qwen3-coder-plus", "qwen-plus", "qwen3-max", "qwen3-vl-plus", "qwen3.5-plus", "qwen3.7-plus")
        found = [DashScope().traits(name).images for name in names]
        assert found == ["refuse", "refuse", "refuse", "yes", "yes", "yes"]
