"""Tests for `claude_bridge.core.tool_choice`; the forms at servers that accept less are tested with each kind."""

from __future__ import annotations

from typing import get_args

import pytest

from claude_bridge.core.conversation import ToolChoice
from claude_bridge.core.tool_choice import ResolvedChoice, ToolChoices, resolve

NAMES = ["a", "b"]


class ResolveTests:
    """The choice that is sent, and the tools beside it."""

    def test_none_wanted(self) -> None:
        """Without a choice, or without tools, nothing is said."""
        assert resolve(None, NAMES, "named") == ResolvedChoice(offered=NAMES)
        assert resolve(ToolChoice(kind="any"), [], "named") == ResolvedChoice(offered=[])

    @pytest.mark.parametrize("form", get_args(ToolChoices))
    def test_one_tool(self, form: ToolChoices) -> None:
        """A tool that must be called is named, or offered alone, or the model is told to call it."""
        found = resolve(ToolChoice(kind="tool", name="b"), NAMES, form)
        assert found.name == "b" or list(found.offered) == ["b"]
        assert bool(found.instruction) == (form in {"auto", "none"})

    @pytest.mark.parametrize("form", get_args(ToolChoices))
    def test_a_tool_that_is_not_offered(self, form: ToolChoices) -> None:
        """Its choice is none."""
        assert resolve(ToolChoice(kind="tool", name="gone"), NAMES, form) == ResolvedChoice(offered=NAMES)
