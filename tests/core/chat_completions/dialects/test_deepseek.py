"""Tests for `claude_bridge.core.chat_completions.dialects.deepseek`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.deepseek import DeepSeek
from claude_bridge.core.events import Usage
from tests.core.asking import assistant, user
from tests.core.chat_completions.dialects.translated import (
    ANY,
    AUTO,
    NAMED,
    SHAPED,
    answers,
    control,
    echoed,
    fields,
    request,
)

V4 = "deepseek-v4-flash"
R1 = "deepseek-reasoner"


class EchoTests:
    """Thinking that goes back."""

    @pytest.mark.parametrize("model", [V4, "deepseek-v4-pro", "deepseek-flash", "deepseek-v4.1-flash"])
    def test_v4(self, model: str) -> None:
        """V4 gets the thinking of every turn (AI SDK deepseek 2.0.69, LiteLLM 1.109)."""
        assert echoed(DeepSeek(), model) == ["t1", "t2", "t3"]

    def test_missing(self) -> None:
        """Where a turn has none, as when it was another model's, a space stands for it (LiteLLM 1.109)."""
        assert echoed(DeepSeek(), V4, "", "t2", "") == [" ", "t2", " "]

    @pytest.mark.parametrize("model", [R1, "deepseek-chat", "deepseek-r1"])
    def test_old(self, model: str) -> None:
        """The old models get none from before the last question (AI SDK deepseek 2.0.69)."""
        assert echoed(DeepSeek(), model) == [None, None, "t3"]

    @pytest.mark.parametrize("model", [R1, "deepseek-chat", "deepseek-r1"])
    def test_old_missing(self, model: str) -> None:
        """They miss it beside calls since then: "Missing `reasoning_content` field" (continue issue 9606)."""
        assert echoed(DeepSeek(), model, "", "", "") == [None, None, " "]


class ShapeTests:
    """The request's fields."""

    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            ("nothing", {}),
            ("none", {"thinking": {"type": "disabled"}}),
            ("low", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
            ("medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
            ("xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ],
    )
    def test_levels(self, level: str, expected: dict[str, Any]) -> None:
        """V4 has a switch and three levels (docs/servers.md 2.1)."""
        assert control(DeepSeek(), V4, level) == expected

    def test_old_switch(self) -> None:
        """deepseek-chat has the switch alone, the reasoner nothing."""
        assert control(DeepSeek(), "deepseek-chat", "high") == {"thinking": {"type": "enabled"}}
        assert control(DeepSeek(), R1, "high") == {}

    @pytest.mark.parametrize("said", [ANY, NAMED])
    def test_forced_tool(self, said: dict[str, Any]) -> None:
        """A forced tool goes without thinking: "Thinking mode does not support this tool_choice" (issue 1376)."""
        sent = fields(DeepSeek(), V4, **said, output_config={"effort": "high"})
        assert sent["thinking"] == {"type": "disabled"}
        assert "reasoning_effort" not in sent
        assert sent["tool_choice"] != "auto"

    def test_reasoner_is_never_forced(self) -> None:
        """The reasoner cannot be switched, so it is asked in words."""
        sent = request(DeepSeek(), R1, **ANY)
        assert "tool_choice" not in sent
        assert "thinking" not in sent

    def test_auto(self) -> None:
        """``auto`` is left out, and so is what no document names."""
        assert fields(DeepSeek(), V4, **AUTO).keys() == {"max_tokens", "stream_options"}

    def test_required_shape(self) -> None:
        """A shape of answer is asked for as JSON and told in words: there is no JSON schema."""
        assert fields(DeepSeek(), V4, **SHAPED)["response_format"] == {"type": "json_object"}

    def test_prefill(self) -> None:
        """The beginning of an answer is marked."""
        assert answers(DeepSeek(), V4, user("Count."), assistant("One,"))[-1]["prefix"] is True

    def test_images(self) -> None:
        """Text-only models say so (LiteLLM 1.109)."""
        assert [DeepSeek().traits(name).images for name in ("deepseek-v4-pro", R1, V4)] == ["refuse", "refuse", "yes"]


class UsageTests:
    """Counts."""

    def test_hit_and_miss(self) -> None:
        """What the cache gave and did not give make up the prompt (api-docs.deepseek.com, context caching)."""
        raw = {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36, "completion_tokens": 5}
        assert DeepSeek().usage({"prompt_tokens": 100, **raw}) == Usage(36, 5, 64)
        assert DeepSeek().usage(raw) == Usage(36, 5, 64)
