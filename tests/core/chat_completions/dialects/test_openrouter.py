"""Tests for `claude_bridge.core.chat_completions.dialects.openrouter`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.dialects.openrouter import (
    MAX_DETAILS,
    MAX_DETAILS_BYTES,
    DetailsCollector,
    OpenRouter,
)
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Delta, ToolCallDelta
from claude_bridge.core.events import Usage
from tests.core.asking import assistant, result, text, use, user
from tests.core.chat_completions.dialects.translated import answers, carried, control, echoed, fields, thinking
from tests.core.upstream_errors.test_bodies import JSON

CLAUDE = "anthropic/claude-sonnet-5"


def kept(*chunks: list[object]) -> list[dict[str, Any]] | None:
    """Return what a state_collector has after these chunks' details."""
    state_collector = DetailsCollector()
    for details in chunks:
        state_collector.delta(Delta(reasoning_details=[strict_json.Raw(strict_json.encode(each)) for each in details]))
    return state_collector.flush()


def said(text: str | None, **more: object) -> dict[str, object]:
    """Make a fragment of readable reasoning."""
    return {"type": "reasoning.text", "text": text, "index": 0, "format": "anthropic-claude-v1", **more}


class KeeperTests:
    """Reasoning details of an answer."""

    def test_fragments(self) -> None:
        """Fragments become one detail, with the signature that comes last (OpenRouter's guide to reasoning tokens)."""
        assert kept([said("Let me ")], [said("think.", signature=None)], [said(None, signature="sig")]) == [
            said("Let me think.", signature="sig")
        ]

    def test_summaries(self) -> None:
        """So do fragments of a summary."""
        parts: list[list[object]] = [[{"type": "reasoning.summary", "summary": part, "index": 0}] for part in "ab"]
        assert kept(*parts) == [{"type": "reasoning.summary", "summary": "ab", "index": 0}]

    def test_encrypted(self) -> None:
        """Encrypted parts stay as they are, also several in one chunk (Gemini's and GPT's reasoning)."""
        parts: list[object] = [
            {"type": "reasoning.encrypted", "data": data, "id": "rs_1", "format": "openai-responses-v1", "index": 0}
            for data in ("AAA", "BBB")
        ]
        assert kept(parts) == parts

    @pytest.mark.parametrize("other", [{"index": 1}, {"id": "b"}, {"type": "reasoning.summary", "summary": "x"}])
    def test_another(self, other: dict[str, object]) -> None:
        """Another index, id or type begins another detail."""
        first, second = said("a", id="a"), said("b", id="a") | other
        assert kept([first], [second]) == [first, second]

    def test_late_id(self) -> None:
        """An id may come late, and is kept."""
        assert kept([said("a", id=None)], [said("b", id="x")]) == [said("ab", id="x")]

    def test_flush_again(self) -> None:
        """What was given once is not given again."""
        state_collector = DetailsCollector()
        assert state_collector.flush() is None
        state_collector.delta(Delta(reasoning_details=[strict_json.Raw(strict_json.encode(said("a")))]))
        assert state_collector.flush() == [said("a")]
        assert state_collector.flush() is None
        assert state_collector.before_call(ToolCallDelta(id="c")) is None  # type: ignore[func-returns-value]

    def test_too_much(self) -> None:
        """Too much is kept not at all: half of a reasoning is refused."""
        assert kept([said("x" * (MAX_DETAILS_BYTES // 2))], [said("y" * (MAX_DETAILS_BYTES // 2))]) is None
        assert kept([said("x", index=index) for index in range(MAX_DETAILS + 2)]) is None

    @given(st.lists(st.lists(JSON, max_size=4), max_size=6))
    def test_anything(self, chunks: list[list[object]]) -> None:
        """Whatever stands in the details, objects come out of it or nothing."""
        found = kept(*chunks)
        assert found is None or all(isinstance(each, dict) for each in found)


class RestoreTests:
    """Reasoning details that go back."""

    def test_through_the_client(self) -> None:
        """Details go back whole, and their text not once more beside them."""
        details = [said("Hm.", signature="sig")]
        messages = [
            user("hi"),
            assistant(thinking("Hm.", carried(OpenRouter(), CLAUDE, details)), text("Ok."), use("toolu_1")),
            user(result("toolu_1")),
        ]
        (answer,) = answers(OpenRouter(), CLAUDE, *messages)
        assert answer["reasoning_details"] == details
        assert answer.keys().isdisjoint({"reasoning", "reasoning_content"})

    def test_of_another_model(self) -> None:
        """Another model's details are refused, so its thinking goes as plain text."""
        messages = [
            user("hi"),
            assistant(thinking("Hm.", carried(OpenRouter(), "openai/gpt-6", [said("Hm.")])), use("toolu_1")),
            user(result("toolu_1")),
        ]
        (answer,) = answers(OpenRouter(), CLAUDE, *messages)
        assert (answer["reasoning"], "reasoning_details" in answer) == ("Hm.", False)

    @given(state=JSON)
    def test_any_state(self, state: object) -> None:
        """State is the client's word: only objects in a list are details."""
        message = ChatMessage("assistant", "hi", reasoning="r")
        OpenRouter().restore(message, [(0, state)])
        assert (message.reasoning is None) == bool(message.reasoning_details)
        assert all(isinstance(each, dict) for each in message.reasoning_details or ())


class RequestTests:
    """The request's fields."""

    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            ("nothing", {}),
            ("none", {"reasoning": {"enabled": False}}),
            ("medium", {"reasoning": {"effort": "medium"}}),
            ("max", {"reasoning": {"effort": "xhigh"}}),
        ],
    )
    def test_levels(self, level: str, expected: dict[str, Any]) -> None:
        """Effort has its own object, whose highest word is ``xhigh`` (LiteLLM 1.109)."""
        assert control(OpenRouter(), CLAUDE, level) == expected

    def test_budget(self) -> None:
        """A client's own budget goes as it is."""
        sent = fields(OpenRouter(), CLAUDE, thinking={"type": "enabled", "budget_tokens": 5000})
        assert sent["reasoning"] == {"max_tokens": 5000}

    @pytest.mark.parametrize(
        ("model", "kept"),
        [
            (CLAUDE, [None, None, "t3"]),
            ("deepseek/deepseek-v4-flash", ["t1", "t2", "t3"]),
            ("moonshotai/kimi-k2.6", ["t1", None, "t3"]),
        ],
    )
    def test_echo(self, model: str, kept: list[str | None]) -> None:
        """Thinking without details goes back as text, as far as the model behind wants it."""
        assert echoed(OpenRouter(), model, key="reasoning") == kept

    def test_traits(self) -> None:
        """Marks of the cache and schemas are the model's affair; leaks are looked for in open models alone."""
        traits = OpenRouter().traits
        assert [traits(name).cache_control for name in (CLAUDE, "google/gemini-3.5-flash", "openai/gpt-6")] == [
            True,
            True,
            False,
        ]
        assert traits("google/gemini-3.5-flash").schema == "gemini"
        assert [traits(name).recover_tool_calls for name in ("qwen/qwen3-coder", CLAUDE)] == [True, False]

    def test_usage(self) -> None:
        """Cost is no count of tokens; the cache's parts are (OpenRouter's guide to usage accounting)."""
        raw = {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50, "audio_tokens": 0},
            "total_tokens": 196,
        }
        assert OpenRouter().usage(raw) == Usage(44, 2, 100, 50, 0)
