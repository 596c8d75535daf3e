"""Tests for `claude_bridge.core.chat_completions.dialects.zai`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.zai import Zai
from tests.core.asking import tool
from tests.core.chat_completions.dialects.translated import ANY, SHAPED, control, echoed, fields

KEPT = {"type": "enabled", "clear_thinking": False}


class ZaiTests:
    """Z.ai and bigmodel.cn."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            ("glm-4.6", "high", {"thinking": {"type": "enabled"}}),
            ("glm-4.6", "nothing", {}),
            ("glm-4.7", "nothing", {"thinking": KEPT}),
            ("glm-4.7", "none", {"thinking": {"type": "disabled"}}),
            ("glm-5.2", "low", {"thinking": KEPT, "reasoning_effort": "high"}),
            ("glm-5.2", "none", {"thinking": {"type": "disabled"}}),
            ("glm-5.3", "none", {"thinking": KEPT, "reasoning_effort": "low"}),
            ("glm-5.3-flash", "max", {"thinking": KEPT, "reasoning_effort": "max"}),
            ("glm-4-32b-0414-128k", "high", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Thinking is switched, leveled from 5.2 on, and kept from 4.7 on (docs.z.ai, thinking mode)."""
        assert control(Zai(), model, level) == expected

    def test_echo(self) -> None:
        """Thinking goes back with each call (docs.z.ai, interleaved thinking), a space where there is none."""
        assert echoed(Zai(), "glm-5") == ["t1", None, "t3"]
        assert echoed(Zai(), "glm-5", "", "", "") == [" ", None, " "]
        assert echoed(Zai(), "glm-4-32b-0414-128k") == [None, None, None]

    def test_tool_stream(self) -> None:
        """Calls are streamed where there are tools: else a long one comes at once after minutes.

        See docs/servers.md 2.8.
        """
        assert fields(Zai(), "glm-4.6", tools=[tool("Read")])["tool_stream"] is True
        assert "tool_stream" not in fields(Zai(), "glm-4.6")
        assert "tool_stream" not in fields(Zai(), "glm-4.5", tools=[tool("Read")])

    def test_fields(self) -> None:
        """Only ``auto`` is a choice, and usage is not asked for (docs/servers.md 2.8; AgentScope's GLM formatter)."""
        sent = fields(Zai(), "glm-4.6", **ANY)
        assert sent["tool_choice"] == "auto"
        assert "stream_options" not in sent
        assert fields(Zai(), "glm-4.6", **SHAPED)["response_format"] == {"type": "json_object"}

    def test_images(self) -> None:
        """Only the models with eyes get images."""
        names = ("glm-4.6v", "glm-5v-turbo", "glm-5.3-flash", "glm-5.3", "glm-5.3-preview", "glm-4.7")
        assert [Zai().traits(name).images for name in names] == ["yes", "yes", "yes", "refuse", "refuse", "refuse"]
