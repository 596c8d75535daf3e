"""Tests for `claude_bridge.core.responses_api.dialects.registry`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.responses_api.dialects.registry import DIALECTS, decide


class DecisionTests:
    """Which dialect a server has."""

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("api.openai.com", "openai"),
            ("eu.api.openai.com", "openai"),
            ("mine.openai.azure.com", "azure"),
            ("mine.services.ai.azure.com", "azure"),
        ],
    )
    def test_by_host(self, host: str, name: str) -> None:
        """Services are known by their hosts."""
        decision = decide(Clues(host=host))
        assert decision is not None
        assert decision.dialect.name == DIALECTS[name].name == name
        assert decision.why == f"host {host}"

    def test_unknown(self) -> None:
        """Any other server stays undecided, whatever its models are called."""
        assert decide(Clues(host="openai.example", owners=("openai",))) is None
