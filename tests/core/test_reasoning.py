"""Tests for `claude_bridge.core.reasoning`: how much a client wants a model to think, and how it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core import reasoning
from claude_bridge.core.openai import ChatRequest
from claude_bridge.core.target import Target
from claude_bridge.core.traits import ReasoningControl
from tests.core.asking import asked, chat, user

LEVELS = [
    ({}, None),
    ({"thinking": None, "output_config": None}, None),
    ({"thinking": {"type": "disabled"}}, "none"),
    ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, "none"),
    ({"thinking": {"type": "between_tools"}}, "none"),
    ({"thinking": {"type": "adaptive", "display": "updates"}}, "medium"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2047}}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "medium"),
    ({"thinking": {"type": "enabled", "budget_tokens": 8192}}, "high"),
    ({"thinking": {"type": "enabled", "budget_tokens": 24575}}, "high"),
    ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "xhigh"),
    ({"thinking": {"type": "enabled", "budget_tokens": None}}, "medium"),
    ({"thinking": {"type": "novel"}}, "medium"),
    *[({"output_config": {"effort": effort}}, effort) for effort in ("low", "medium", "high", "xhigh", "max")],
    ({"output_config": {"effort": "high"}, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "high"),
    ({"output_config": {"effort": "novel"}}, None),
    ({"output_config": {"effort": None, "task_budget": {"type": "tokens", "total": 5}}}, None),
]


class LevelTests:
    """The level that a request asks for."""

    @pytest.mark.parametrize(("fields", "expected"), LEVELS)
    def test_level(self, fields: dict[str, Any], expected: str | None) -> None:
        """The effort decides, else the thinking budget; thinking switched off is off."""
        assert reasoning.level(asked(user("hi"), **fields)) == expected

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("enabled", True), ("adaptive", True), ("between_tools", True), ("disabled", False), ("novel", False)],
    )
    def test_wanted(self, kind: str, expected: bool) -> None:
        """Thinking is shown to a client that asked for it in any form."""
        assert reasoning.wanted(asked(user("hi"), thinking={"type": kind}).thinking) is expected
        assert not reasoning.wanted(None)


CONTROLS = [
    ("none", "high", {}),
    ("effort", "high", {"reasoning_effort": "high"}),
    ("effort", None, {}),
    ("enable_thinking", "high", {"chat_template_kwargs": {"enable_thinking": True}}),
    ("enable_thinking", "off", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("enable_thinking", None, {}),
    ("effort", "off", {"reasoning_effort": "none"}),
]


class ControlTests:
    """How the backend is asked."""

    @pytest.mark.parametrize(("how", "effort", "expected"), CONTROLS)
    def test_control(self, how: ReasoningControl, effort: str | None, expected: dict[str, Any]) -> None:
        """The level is asked for in the configured way; a request that says nothing asks for nothing."""
        assert self._added(chat(user("hi"), target=self._target(how), **self._fields(effort))) == expected

    def test_thinking_type(self) -> None:
        """Servers with a ``thinking`` object of their own get that."""
        extra: dict[str, object] = {}
        request = asked(user("hi"), thinking={"type": "disabled"})
        head = ChatRequest("m")
        reasoning.control("thinking_type", reasoning.level(request), head, extra)
        assert extra == {"thinking": {"type": "disabled"}}
        reasoning.control("thinking_type", "low", head, extra)
        assert extra == {"thinking": {"type": "enabled"}}

    @staticmethod
    def _target(how: ReasoningControl) -> Target:
        return Target(model="m", reasoning_control=how)

    @staticmethod
    def _fields(effort: str | None) -> dict[str, Any]:
        if effort == "off":
            return {"thinking": {"type": "disabled"}}
        return {} if effort is None else {"output_config": {"effort": effort}}

    @staticmethod
    def _added(sent: Any) -> Any:
        plain = {"model", "stream", "stream_options", "max_tokens", "messages"}
        return {key: value for key, value in sent.items() if key not in plain}
