"""Tests for `claude_bridge.importers.litellm.deployment`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.litellm.deployment import Deployment, Place
from claude_bridge.importers.text import plain


class DeploymentTests:
    """One entry of ``model_list``."""

    @pytest.mark.parametrize(("group", "expected"), [("*", True), ("openai/*", True), ("gpt-4o", False)])
    def test_pattern(self, group: str, expected: bool) -> None:
        """A star makes a name a pattern."""
        place = Place(hint="box", url=plain("http://box/v1"))
        assert Deployment(path="model_list[0]", group=group, model="m", place=place).is_pattern is expected
