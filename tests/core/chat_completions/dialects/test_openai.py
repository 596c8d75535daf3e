"""Tests for `claude_bridge.core.chat_completions.dialects.openai`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.openai import OpenAI
from claude_bridge.core.errors import InvalidRequest
from tests.core.asking import assistant, system, tool, user
from tests.core.chat_completions.dialects.translated import LEVELS, control, echoed, fields, request


class OpenAITests:
    """OpenAI's chat completions."""

    @pytest.mark.parametrize(
        ("model", "level", "effort"),
        [
            ("o3", "none", "low"),
            ("o4-mini", "max", "high"),
            ("gpt-5-mini", "none", "minimal"),
            ("gpt-5.1", "none", "none"),
            ("gpt-5.1", "xhigh", "high"),
            ("gpt-5.6-terra", "max", "xhigh"),
            ("gpt-6-sol", "max", "max"),
            ("gpt-6-sol", "none", "none"),
            ("gpt-6-astra", "none", "low"),
            ("gpt-7", "max", "max"),
            ("ft:gpt-5:org::id", "low", "low"),
            ("gpt-5", "nothing", None),
            ("gpt-4.1", "high", None),
            ("gpt-4o", "high", None),
            ("gpt-5-chat-latest", "high", None),
        ],
    )
    def test_effort(self, model: str, level: str, effort: str | None) -> None:
        """Each family gets the nearest of its own levels (models.dev and LiteLLM 1.109)."""
        assert control(OpenAI(), model, level).get("reasoning_effort") == effort

    @pytest.mark.parametrize("level", LEVELS)
    @pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6-sol", "gpt-6-sol", "gpt-10.2"])
    def test_tools_instead_of_reasoning(self, model: str, level: str) -> None:
        """Beside tools there is no reasoning, said or not (docs/servers.md 2.13; LiteLLM 34569 tried it live)."""
        assert fields(OpenAI(), model, **LEVELS[level], tools=[tool("Read")])["reasoning_effort"] == "none"

    @pytest.mark.parametrize("model", ["gpt-5.2", "o3", "gpt-5"])
    def test_tools_and_reasoning(self, model: str) -> None:
        """Older models do both."""
        assert fields(OpenAI(), model, **LEVELS["high"], tools=[tool("Read")])["reasoning_effort"] == "high"

    @pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5.6-sol", "gpt-6-astra"])
    def test_reasoning_models(self, model: str) -> None:
        """They have a developer, a limit of another name, and no sampling (AI SDK openai; bolna 1019 for gpt-6)."""
        whole = request(
            OpenAI(), model, user("hi"), system="Be brief.", temperature=0.2, top_p=0.5, stop_sequences=["END"]
        )
        assert whole["messages"][0]["role"] == "developer"
        assert whole["max_completion_tokens"] == 32000
        assert whole.keys().isdisjoint({"max_tokens", "temperature", "top_p", "stop"})

    def test_other_models(self) -> None:
        """gpt-4 is as ever, but for the limit's name."""
        whole = request(OpenAI(), "gpt-4.1", user("hi"), system="Be brief.", temperature=0.2, stop_sequences=["END"])
        assert whole["messages"][0]["role"] == "system"
        assert (whole["temperature"], whole["stop"], whole["max_completion_tokens"]) == (0.2, ["END"], 32000)

    @pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5.6-sol"])
    def test_system_in_place(self, model: str) -> None:
        """A system message stays where it is, in the role of the first: two kinds in one request are refused."""
        messages = request(OpenAI(), model, user("a"), assistant("b"), user("c"), system("d"), system="e")["messages"]
        assert messages[-1] == {"role": messages[0]["role"], "content": "d"}

    def test_one_at_a_time(self) -> None:
        """Reasoning models of the o-series refuse ``parallel_tool_calls``."""
        said: dict[str, Any] = {
            "tools": [tool("Read")],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        }
        assert "parallel_tool_calls" not in fields(OpenAI(), "o3", **said)
        assert fields(OpenAI(), "gpt-4.1", **said)["parallel_tool_calls"] is False

    def test_echo(self) -> None:
        """Another model's thinking never goes there."""
        assert echoed(OpenAI(), "gpt-5.6-sol") == [None, None, None]

    def test_prefill(self) -> None:
        """The beginning of an answer is refused, for the model would not go on with it."""
        with pytest.raises(InvalidRequest):
            request(OpenAI(), "gpt-4.1", user("Count."), assistant("One,"))

    def test_images(self) -> None:
        """Models without eyes say so."""
        names = ("gpt-3.5-turbo", "gpt-4", "gpt-4-0613", "o3-mini", "gpt-4o", "gpt-4-turbo", "gpt-6-sol")
        assert [OpenAI().traits(name).images for name in names] == [*["refuse"] * 4, *["yes"] * 3]
