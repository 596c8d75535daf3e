"""Tests for `claude_bridge.core.chat_completions.dialects.moonshot`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.moonshot import Moonshot
from claude_bridge.core.events import Usage
from tests.core.asking import assistant, user
from tests.core.chat_completions.dialects.translated import ANY, NAMED, answers, control, echoed, fields

KEPT = {"type": "enabled", "keep": "all"}


class MoonshotTests:
    """Moonshot's own API."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            ("kimi-k2-0905-preview", "high", {}),
            ("kimi-k2-thinking", "none", {}),
            ("kimi-k2.5", "nothing", {}),
            ("kimi-k2.5", "high", {"thinking": {"type": "enabled"}}),
            ("kimi-k2.5", "none", {"thinking": {"type": "disabled"}}),
            ("kimi-k2.6", "nothing", {"thinking": KEPT}),
            ("kimi-k2.6", "high", {"thinking": KEPT}),
            ("kimi-k2.6", "none", {"thinking": {"type": "disabled"}}),
            ("kimi-k2.7-code", "none", {"thinking": KEPT}),
            ("kimi-k3", "none", {"reasoning_effort": "low"}),
            ("kimi-k3", "medium", {"reasoning_effort": "high"}),
            ("kimi-k3.1-pro", "max", {"reasoning_effort": "max"}),
            ("kimi-k3", "nothing", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Each family is asked in its own way (platform.kimi.ai guides; AI SDK moonshotai tried ``keep`` live)."""
        assert control(Moonshot(), model, level) == expected

    @pytest.mark.parametrize(
        ("model", "kept"),
        [
            ("kimi-k2-thinking", ["t1", None, "t3"]),
            ("kimi-k2.5", ["t1", None, "t3"]),
            ("kimi-for-coding", ["t1", None, "t3"]),
            ("kimi-k2.7-code", ["t1", "t2", "t3"]),
            ("kimi-k3", ["t1", "t2", "t3"]),
            ("kimi-k2-0905-preview", [None, None, None]),
        ],
    )
    def test_echo(self, model: str, kept: list[str | None]) -> None:
        """Thinking goes back beside calls, and everywhere where the model keeps it (docs/servers.md 2.7)."""
        assert echoed(Moonshot(), model) == kept

    @pytest.mark.parametrize("model", ["kimi-k2-thinking", "kimi-k2.5", "kimi-k3"])
    def test_missing(self, model: str) -> None:
        """A call without thinking gets a space: without the field it is refused (LiteLLM 1.109)."""
        sent = echoed(Moonshot(), model, "", "", "")
        assert (sent[0], sent[2]) == (" ", " ")

    @pytest.mark.parametrize("said", [ANY, NAMED])
    def test_forced_tool(self, said: dict[str, Any]) -> None:
        """Where thinking can be switched off, a forced tool does; elsewhere it is asked for in words."""
        assert fields(Moonshot(), "kimi-k2.6", **said)["thinking"] == {"type": "disabled"}
        assert fields(Moonshot(), "kimi-k3", **said)["tool_choice"] == "auto"

    def test_sampling(self) -> None:
        """Temperature is fixed for models that think (LiteLLM 1.109), and the client's for others."""
        assert "temperature" not in fields(Moonshot(), "kimi-k2.6", temperature=0.2)
        assert fields(Moonshot(), "kimi-k2-0905-preview", temperature=0.2)["temperature"] == 0.2

    def test_prefill(self) -> None:
        """The beginning of an answer is marked in Moonshot's own word."""
        assert answers(Moonshot(), "kimi-k3", user("Count."), assistant("One,"))[-1]["partial"] is True

    def test_usage(self) -> None:
        """What the cache gave stands on the top level (AI SDK moonshotai 2.0.61)."""
        raw = {"prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 60}
        assert Moonshot().usage(raw) == Usage(40, 7, 60)
