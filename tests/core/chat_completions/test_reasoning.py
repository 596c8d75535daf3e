"""Tests for `claude_bridge.core.chat_completions.reasoning`.

How much a client wants a model to think, and how it is asked for.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions import reasoning
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.traits import ReasoningControl
from claude_bridge.core.conversation import Reasoning, ReasoningLevel
from claude_bridge.core.messages_api.to_conversation import conversation_of
from tests.core.asking import asked, user
from tests.core.asking import sent as sent_to

DEEPSEEK: tuple[ReasoningLevel, ...] = ("low", "high", "max")
MISTRAL: tuple[ReasoningLevel, ...] = ("none", "high")


class LevelTests:
    """Levels and the tokens for them."""

    def test_steps_agree(self) -> None:
        """The budget of a level is read as that level again."""
        for level, tokens in reasoning.TOKENS.items():
            if level in {"low", "medium", "high", "xhigh"}:
                asked_ = asked(user("hi"), thinking={"type": "enabled", "budget_tokens": tokens})
                assert conversation_of(asked_).reasoning == Reasoning(level=level, budget=tokens)


CONTROLS: list[tuple[ReasoningControl, str | None, dict[str, Any]]] = [
    ("none", "high", {}),
    ("none", "off", {}),
    *[(how, None, {}) for how in get_args(ReasoningControl)],
    ("effort", "high", {"reasoning_effort": "high"}),
    ("effort", "off", {"reasoning_effort": "none"}),
    ("thinking_type", "high", {"thinking": {"type": "enabled"}}),
    ("thinking_type", "off", {"thinking": {"type": "disabled"}}),
    ("thinking_effort", "high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
    ("thinking_effort", "off", {"thinking": {"type": "disabled"}}),
    ("thinking_budget", "high", {"thinking": {"type": "enabled", "budget_tokens": 16384}}),
    ("thinking_budget", "own", {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
    ("thinking_budget", "off", {"thinking": {"type": "disabled"}}),
    ("enable_thinking", "high", {"chat_template_kwargs": {"enable_thinking": True}}),
    ("enable_thinking", "off", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("template_thinking", "high", {"chat_template_kwargs": {"thinking": True}}),
    ("template_thinking", "off", {"chat_template_kwargs": {"thinking": False}}),
    ("template_budget", "low", {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget_tokens": 1024}),
    ("template_budget", "off", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("top_level", "own", {"enable_thinking": True, "thinking_budget": 3000}),
    ("top_level", "off", {"enable_thinking": False}),
    ("reasoning", "high", {"reasoning": {"effort": "high"}}),
    ("reasoning", "own", {"reasoning": {"max_tokens": 3000}}),
    ("reasoning", "off", {"reasoning": {"enabled": False}}),
]
WITH_BUDGET: tuple[ReasoningControl, ...] = ("thinking_budget", "template_budget", "top_level", "reasoning")
PLAIN = {"model", "stream", "stream_options", "max_tokens", "messages"}
FIELDS: dict[str, dict[str, Any]] = {
    "off": {"thinking": {"type": "disabled"}},
    "own": {"thinking": {"type": "enabled", "budget_tokens": 3000}},
}


class ControlTests:
    """How the backend is asked."""

    @pytest.mark.parametrize(("how", "wish", "expected"), CONTROLS)
    def test_control(self, how: ReasoningControl, wish: str | None, expected: dict[str, Any]) -> None:
        """The level is asked for in the configured way alone; a request that says nothing asks for nothing."""
        fields = {} if wish is None else FIELDS.get(wish, {"output_config": {"effort": wish}})
        sent = sent_to(user("hi"), target=Target(model="m", reasoning_control=how), **fields)
        assert {key: value for key, value in sent.items() if key not in PLAIN} == expected

    @pytest.mark.parametrize(
        ("how", "wish", "expected"),
        [
            ("effort", "off", {"reasoning_effort": "low"}),
            ("effort", "medium", {"reasoning_effort": "high"}),
            ("thinking_effort", "off", {"thinking": {"type": "disabled"}}),
            ("thinking_effort", "xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
            ("reasoning", "off", {"reasoning": {"effort": "low"}}),
        ],
    )
    def test_levels(self, how: ReasoningControl, wish: str, expected: dict[str, Any]) -> None:
        """A server gets its own words; one that can only be told an effort, and has no none, gets its lowest."""
        fields = FIELDS.get(wish, {"output_config": {"effort": wish}})
        target = Target(model="m", reasoning_control=how, reasoning_levels=DEEPSEEK)
        sent = sent_to(user("hi"), target=target, **fields)
        assert {key: value for key, value in sent.items() if key not in PLAIN} == expected

    @given(how=st.sampled_from(WITH_BUDGET), budget=st.integers(1, 10**6), limit=st.integers(2, 10**6))
    def test_budget_leaves_an_answer(self, how: ReasoningControl, budget: int, limit: int) -> None:
        """However much a client wants to think, the budget stays below what the whole answer may have."""
        sent = sent_to(
            user("hi"),
            target=Target(model="m", reasoning_control=how),
            max_tokens=limit,
            thinking={"type": "enabled", "budget_tokens": budget},
        )
        found = [value for key, value in _leaves(sent) if key in BUDGET_FIELDS]
        assert len(found) == 1
        assert 1 <= found[0] < limit

    def test_effort_is_never_beside_thinking_switched_off(self) -> None:
        """No way of asking contradicts itself: some servers answer that with a 400."""
        for how in get_args(ReasoningControl):
            sent = sent_to(user("hi"), target=Target(model="m", reasoning_control=how), **FIELDS["off"])
            assert sent.get("reasoning_effort") in {None, "none"}
            assert "thinking_budget" not in sent
            assert "budget_tokens" not in sent.get("thinking", {})


BUDGET_FIELDS = {"budget_tokens", "thinking_budget_tokens", "thinking_budget"} | {"reasoning.max_tokens"}


def _leaves(sent: Any) -> list[tuple[str, Any]]:
    """Return the fields of a request, and those of the objects that ask for thinking."""
    inner = [("reasoning.max_tokens" if key == "max_tokens" else key, value)
             for name in ("thinking", "reasoning") for key, value in sent.get(name, {}).items()]  # fmt: skip
    return [*sent.items(), *inner]
