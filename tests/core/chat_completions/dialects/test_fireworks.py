"""Tests for `claude_bridge.core.chat_completions.dialects.fireworks`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.fireworks import Fireworks
from tests.core.asking import tool
from tests.core.chat_completions.dialects.translated import ANY, NAMED, SHAPED, control, echoed, fields, request

K2 = "accounts/fireworks/models/kimi-k2p6"


class FireworksTests:
    """Fireworks."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            (K2, "none", {"reasoning_effort": "none"}),
            (K2, "max", {"reasoning_effort": "high"}),
            ("accounts/fireworks/models/glm-5p2", "low", {"reasoning_effort": "high"}),
            ("accounts/fireworks/models/kimi-k3", "none", {"reasoning_effort": "low"}),
            ("accounts/fireworks/models/deepseek-v4-flash", "xhigh", {"reasoning_effort": "xhigh"}),
            ("accounts/fireworks/models/gpt-oss-20b", "none", {"reasoning_effort": "low"}),
            ("accounts/fireworks/models/llama-v3p1-405b-instruct", "high", {}),
            (K2, "nothing", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """The effort is sent alone, in the model's own words: beside ``thinking`` it is refused (LiteLLM 1.109)."""
        assert control(Fireworks(), model, level) == expected

    def test_shape_and_tools(self) -> None:
        """``response_format`` never goes beside tools (LiteLLM 1.109): the shape is told in words."""
        assert "response_format" not in fields(Fireworks(), K2, **SHAPED, tools=[tool("Read")])

    def test_forced(self) -> None:
        """``required`` is spelt ``any``; one tool is forced by offering no other (LiteLLM 1.109)."""
        assert fields(Fireworks(), K2, **ANY)["tool_choice"] == "any"
        sent = request(Fireworks(), K2, **NAMED)
        assert (sent["tool_choice"], len(sent["tools"])) == ("any", 1)

    def test_echo(self) -> None:
        """Thinking goes back with each call (the guide's "interleaved" history)."""
        assert echoed(Fireworks(), K2) == ["t1", None, "t3"]
