"""Tests for `claude_bridge.core.responses_api.dialects.openai`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.responses_api.dialect import as_fields
from claude_bridge.core.responses_api.dialects.openai import CHATS, OpenAI
from tests.core.asking import system, tool, user
from tests.core.responses_api.asking import GPT, TARGET, sent


def reasoning(model: str, **thinking: Any) -> Any:
    """Return what a model of OpenAI is asked for."""
    target = evolve(TARGET, model=model, dialect=OpenAI(), **as_fields(OpenAI().traits(model)))
    return sent(user("hi"), target=target, **thinking).get("reasoning")


class LevelTests:
    """The words for reasoning, by the model's family."""

    @pytest.mark.parametrize(
        ("model", "off", "deepest"),
        [
            ("gpt-5", "minimal", "high"),
            ("gpt-5.1-2025-11-13", "none", "high"),
            ("gpt-5.6", "none", "xhigh"),
            ("ft:gpt-5.4:mine", "none", "xhigh"),
            ("gpt-7-mini", "none", "max"),
            ("gpt-6-astra", "low", "max"),
            ("o3", "low", "high"),
            ("o4-mini", "low", "high"),
        ],
    )
    def test_levels(self, model: str, off: str, deepest: str) -> None:
        """Where the client wants none, the least that the model can; where it wants most, the most that it can."""
        assert reasoning(model, thinking={"type": "disabled"}) == {"effort": off}
        wanted = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}
        assert reasoning(model, **wanted) == {"effort": deepest, "summary": "auto"}

    def test_no_reasoning(self) -> None:
        """gpt-4 is asked for nothing, and nothing encrypted is expected of it."""
        assert OpenAI().traits("gpt-4.1") == CHATS
        assert reasoning("gpt-4.1", thinking={"type": "adaptive"}) is None

    def test_unsaid(self) -> None:
        """A client that does not say leaves it to the model."""
        assert reasoning("gpt-5.6") is None


class RequestTests:
    """What OpenAI gets."""

    def test_whole(self) -> None:
        """Everything in its fixed order, with reasoning and tools together."""
        request = sent(
            user("hi"),
            system("Be brief."),
            target=GPT,
            session="s-1",
            system="rules",
            tools=[tool("Read")],
            temperature=0.5,
            thinking={"type": "adaptive"},
            output_config={"effort": "high"},
        )
        assert list(request) == [
            "model", "stream", "store", "include", "prompt_cache_key", "reasoning", "max_output_tokens", "tools",
            "instructions", "input",
        ]  # fmt: skip
        assert request["store"] is False
        assert request["include"] == ["reasoning.encrypted_content"]
        assert request["prompt_cache_key"] == "s-1"
        assert request["reasoning"] == {"effort": "high", "summary": "auto"}
        assert request["instructions"] == "rules"
        assert request["input"][1] == {"type": "message", "role": "developer", "content": "Be brief."}

    def test_least_limit(self) -> None:
        """OpenAI refuses a limit below 16 tokens."""
        assert sent(user("hi"), target=GPT, max_tokens=1)["max_output_tokens"] == 16
        assert sent(user("hi"), max_tokens=16)["max_output_tokens"] == 16
