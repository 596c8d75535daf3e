"""Tests for `claude_bridge.core.chat_completions.dialects.mistral`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.mistral import Mistral
from tests.core.asking import assistant, result, text, use, user
from tests.core.chat_completions.dialects.translated import ANY, NAMED, answers, control, echoed, fields, loop, request

SMALL = "mistral-small-2603"
OLD = "mistral-large-2512"


class MistralTests:
    """Mistral's own API."""

    @pytest.mark.parametrize(
        ("model", "level", "expected"),
        [
            (SMALL, "none", {"reasoning_effort": "none"}),
            (SMALL, "low", {"reasoning_effort": "high"}),
            ("mistral-medium-3-5", "max", {"reasoning_effort": "high"}),
            ("mistral-large-4-0", "medium", {"reasoning_effort": "high"}),
            ("zai-glm-5-3", "none", {"reasoning_effort": "low"}),
            ("magistral-medium-2509", "high", {}),
            (OLD, "high", {}),
            ("codestral-latest", "none", {}),
        ],
    )
    def test_reasoning(self, model: str, level: str, expected: dict[str, Any]) -> None:
        """Adjustable reasoning is on or off, other models take no effort (docs.mistral.ai, reasoning)."""
        assert control(Mistral(), model, level) == expected

    def test_echo(self) -> None:
        """Past thinking is a part of the content (AI SDK mistral 3.0.69)."""
        last = answers(Mistral(), SMALL, *loop())[-1]
        assert last["content"] == [{"type": "thinking", "thinking": [{"type": "text", "text": "t3"}]}]
        assert echoed(Mistral(), SMALL) == echoed(Mistral(), SMALL, key="reasoning") == [None, None, None]

    def test_no_echo(self) -> None:
        """Models that do not reason get none."""
        assert [answer["content"] for answer in answers(Mistral(), OLD, *loop())] == ["", "Done.", ""]

    def test_ids(self) -> None:
        """Ids are nine letters and digits, the same for call and result (mistral-common's validator)."""
        messages = request(Mistral(), OLD, *loop())["messages"]
        called = [call["id"] for message in messages for call in message.get("tool_calls", ())]
        answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        assert called == answered
        assert all(re.fullmatch(r"[A-Za-z0-9]{9}", each) for each in called)

    def test_forced(self) -> None:
        """A tool is forced by ``any``, a certain one by offering it alone (AI SDK mistral 3.0.69)."""
        assert fields(Mistral(), OLD, **ANY)["tool_choice"] == "any"
        sent = request(Mistral(), OLD, **NAMED)
        assert sent["tool_choice"] == "any"
        assert [each["function"]["name"] for each in sent["tools"]] == ["Read"]

    def test_fields(self) -> None:
        """Usage is not asked for, and the limit has its old name (AI SDK mistral 3.0.69)."""
        assert fields(Mistral(), OLD) == {"max_tokens": 32000}

    def test_after_results(self) -> None:
        """A person who speaks after tool results waits for a word; a reminder belongs to them (LiteLLM issue 17761)."""
        reminder = "<system-reminder>\nr\n</system-reminder>"
        called = [user("Read it."), assistant(use("t1"))]
        sent = request(Mistral(), OLD, *called, user(result("t1", "ok"), text("Stop.")))["messages"]
        assert [each["role"] for each in sent] == ["user", "assistant", "tool", "assistant", "user"]
        sent = request(Mistral(), OLD, *called, user(result("t1", "ok"), text(reminder)))["messages"]
        assert [each["content"] for each in sent] == ["Read it.", "", f"ok\n\n{reminder}"]

    def test_prefill(self) -> None:
        """The beginning of an answer is marked."""
        assert answers(Mistral(), OLD, user("Count."), assistant("One,"))[-1]["prefix"] is True

    def test_images(self) -> None:
        """Text-only models say so."""
        assert [Mistral().traits(name).images for name in ("codestral-2508", "devstral-2512", SMALL)] == [
            "refuse",
            "refuse",
            "yes",
        ]
