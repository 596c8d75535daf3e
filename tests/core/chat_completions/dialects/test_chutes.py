"""Tests for `claude_bridge.core.chat_completions.dialects.chutes`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.chutes import Chutes
from tests.core.chat_completions.dialects.shaping import asked


class ChutesTests:
    """Chutes (docs/servers.md 2.14)."""

    @pytest.mark.parametrize(
        ("clues", "why"),
        [
            (Clues(host="llm.chutes.ai"), "host llm.chutes.ai"),
            (Clues(headers={"x-chutes-invocationid": "1"}), "header x-chutes-invocationid"),
            (Clues(headers={"x-chutes-" + "x" * 5000: "1"}), "header x-chutes-" + "x" * 55),
        ],
    )
    def test_known(self, clues: Clues, why: str) -> None:
        """It is known by its host, behind another name by its own headers."""
        assert Chutes().recognised(clues) == why

    @pytest.mark.parametrize("clues", [Clues(host="notchutes.ai"), Clues(headers={"x-request-id": "1"})])
    def test_strangers(self, clues: Clues) -> None:
        """Nothing else is taken for it."""
        assert Chutes().recognised(clues) == ""

    def test_thinking(self) -> None:
        """Thinking is switched as both of its engines do."""
        assert asked(Chutes(), "deepseek-ai/DeepSeek-V3.1", "high") == {
            "chat_template_kwargs": {"thinking": True},
            "reasoning_effort": "high",
        }

    def test_nothing_of_one_engine_only(self) -> None:
        """It asks for nothing that the other engine, or the proxy, does not have."""
        traits = Chutes().traits("m")
        assert (traits.stream_options, traits.tool_images, Chutes().tokenizer) == ("usage", False, None)
