"""Tests for `claude_bridge.core.chat_completions.dialects.groq`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.groq import Groq
from tests.core.chat_completions.dialects.translated import SHAPED, control, echoed, fields

OSS = "openai/gpt-oss-120b"
QWEN = "qwen/qwen3-32b"
LLAMA = "llama-3.3-70b-versatile"


class GroqTests:
    """GroqCloud."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            (QWEN, "nothing", {"reasoning_format": "parsed"}),
            (QWEN, "none", {"reasoning_format": "parsed", "reasoning_effort": "none"}),
            (QWEN, "high", {"reasoning_format": "parsed"}),
            (OSS, "none", {"reasoning_effort": "low"}),
            (OSS, "max", {"reasoning_effort": "high"}),
            (LLAMA, "high", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Reasoning is asked for in its own field where that is known.

        console.groq.com/docs/reasoning; others answer "`reasoning_format` is not supported with this model" (rig 1134).
        """
        assert control(Groq(), model, level) == expected

    @pytest.mark.parametrize("model", [OSS, QWEN])
    def test_echo(self, model: str) -> None:
        """Thinking of the current task goes back as ``reasoning`` (AI SDK groq 3.0.71), never under another name."""
        assert echoed(Groq(), model, key="reasoning") == [None, None, "t3"]
        assert echoed(Groq(), model) == [None, None, None]

    def test_no_echo(self) -> None:
        """Models that do not reason refuse the field: "property 'reasoning' is unsupported" (gptel 774)."""
        for key in ("reasoning", "reasoning_content"):
            assert echoed(Groq(), LLAMA, key=key) == [None, None, None]

    def test_required_shape(self) -> None:
        """A shape of answer is told in words: streaming and structured output exclude each other (LiteLLM 1.109)."""
        assert "response_format" not in fields(Groq(), OSS, **SHAPED)

    def test_text_only(self) -> None:
        """Models without eyes say so."""
        assert [Groq().traits(name).images for name in (OSS, LLAMA, "meta-llama/llama-4-scout")] == [
            "refuse",
            "refuse",
            "yes",
        ]
