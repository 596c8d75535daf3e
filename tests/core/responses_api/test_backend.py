"""Tests for `claude_bridge.core.responses_api.backend`: the kind as the services use it."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import (
    Clues,
)
from claude_bridge.core.responses_api.backend import RESPONSES_API
from tests.core.responses_api.asking import target


class KindTests:
    """The kind and its targets."""

    def test_recognised(self) -> None:
        """Servers are recognised; nothing is guessed from the name of a model."""
        decision = RESPONSES_API.recognise(Clues(host="api.openai.com"))
        assert decision is not None
        assert decision.dialect.name == "openai"
        assert RESPONSES_API.recognise(Clues(host="x.example")) is None

    def test_traits(self) -> None:
        """A model has its dialect's traits, but for those that are configured."""
        assert target().reasoning_levels == RESPONSES_API.traits("openai", "gpt-5.6")["reasoning_levels"]
        assert target(images="refuse").images == "refuse"
        assert RESPONSES_API.trait_words("reasoning_control") == ("none", "effort")
        assert RESPONSES_API.trait_words("top_k") == ()
        assert target(top_k=True) == target()

    @pytest.mark.parametrize("end", ["", "/responses", "/chat/completions"])
    def test_base(self, end: str) -> None:
        """The path of an endpoint is no part of the base."""
        assert RESPONSES_API.base(f"https://api.openai.com/v1{end}") == "https://api.openai.com/v1"
