"""Tests for `claude_bridge.core.chat_completions.dialects.xai`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.xai import Xai
from claude_bridge.core.events import Usage
from tests.core.chat_completions.dialects.translated import answers, control, echoed, fields, loop


class XaiTests:
    """xAI's chat completions."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            ("grok-4.3", "none", {"reasoning_effort": "none"}),
            ("grok-4.3", "max", {"reasoning_effort": "high"}),
            ("grok-4.6", "max", {"reasoning_effort": "xhigh"}),
            ("grok-4.20-0309-reasoning", "none", {}),
            ("grok-4.20-0309-non-reasoning", "high", {}),
            ("grok-4.20-multi-agent-0309", "none", {"reasoning_effort": "low"}),
            ("grok-3-mini", "medium", {"reasoning_effort": "high"}),
            ("grok-4-0709", "high", {}),
            ("grok-code-fast-1", "high", {}),
            ("grok-build-0.1", "high", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Only some models take an effort; 4.20 refuses every value of it (AI SDK xai, supports-reasoning-effort)."""
        assert control(Xai(), model, level) == expected

    def test_stop(self) -> None:
        """Stop sequences are for the models that take them (LiteLLM 1.109)."""
        assert "stop" not in fields(Xai(), "grok-4.3", stop_sequences=["END"])
        assert "stop" not in fields(Xai(), "grok-3-mini", stop_sequences=["END"])
        assert fields(Xai(), "grok-3", stop_sequences=["END"])["stop"] == ["END"]

    def test_messages(self) -> None:
        """Past thinking stays here, and content is never null (AI SDK xai 3.0.138)."""
        assert echoed(Xai(), "grok-4.3") == [None, None, None]
        assert [answer["content"] for answer in answers(Xai(), "grok-4.3", *loop())] == ["", "Done.", ""]

    @pytest.mark.parametrize(
        ("raw", "division"),
        [
            ({"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 149}, (100, 49, 0, 0, 40)),
            ({"prompt_tokens": 100, "completion_tokens": 49, "total_tokens": 149}, (100, 49, 0, 0, 40)),
            ({"prompt_tokens": 100, "completion_tokens": 9}, (100, 49, 0, 0, 40)),
        ],
    )
    def test_reasoning_apart(self, raw: dict[str, Any], division: tuple[Any, ...]) -> None:
        """Reasoning is output, counted once: the total tells whether it is in already (LiteLLM 1.109)."""
        details = {"completion_tokens_details": {"reasoning_tokens": 40}}
        assert Xai().usage({**raw, **details}) == Usage(*division)

    def test_cache_apart(self) -> None:
        """What the cache gave is counted beside a prompt that is smaller (AI SDK xai, convert-xai-chat-usage)."""
        raw = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 100}}
        assert Xai().usage(raw) == Usage(30, 9, 100)
        raw["prompt_tokens"] = 130
        assert Xai().usage(raw) == Usage(30, 9, 100)
