"""Tests for `claude_bridge.core.messages_api.to_conversation`: a request in neutral words."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.messages_api.to_conversation import conversation_of, shows_thinking
from tests.core.asking import asked, user


def _level(**fields: Any) -> str | None:
    made = conversation_of(asked(user("hi"), **fields)).reasoning
    return made.level if made is not None else None


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
        assert _level(**fields) == expected

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("enabled", True), ("adaptive", True), ("between_tools", True), ("disabled", False), ("novel", False)],
    )
    def test_wanted(self, kind: str, expected: bool) -> None:
        """Thinking is shown to a client that asked for it in any form."""
        assert shows_thinking(asked(user("hi"), thinking={"type": kind}).thinking) is expected
        assert not shows_thinking(None)


BUDGETS = [
    ({}, None),
    ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, 5000),
    ({"thinking": {"type": "adaptive"}}, None),
    ({"thinking": {"type": "disabled", "budget_tokens": 5000}}, None),
    ({"thinking": {"type": "between_tools", "budget_tokens": 5000}}, None),
    ({"thinking": {"type": "enabled", "budget_tokens": 5000}, "output_config": {"effort": "low"}}, None),
    ({"thinking": {"type": "enabled", "budget_tokens": 5000}, "output_config": {"effort": "novel"}}, 5000),
]


class BudgetTests:
    """The client's own budget."""

    @pytest.mark.parametrize(("fields", "expected"), BUDGETS)
    def test_budget(self, fields: dict[str, Any], expected: int | None) -> None:
        """A client's budget counts where it decides the level, not beside an effort or with thinking switched off."""
        made = conversation_of(asked(user("hi"), **fields)).reasoning
        assert (made.budget if made is not None else None) == expected


class ConversationTests:
    """The whole request."""

    def test_made_once(self) -> None:
        """A request is translated to neutral words once."""
        request = asked(user("hi"))
        assert conversation_of(request) is conversation_of(request)
