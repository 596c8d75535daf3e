"""Tests for `claude_bridge.core.responses_api.dialects.azure`."""

from __future__ import annotations

from claude_bridge.core.responses_api.dialects.azure import Azure
from claude_bridge.core.responses_api.dialects.openai import OpenAI
from claude_bridge.core.responses_api.traits import Traits


class AzureTests:
    """Deployments with names of the operator's choice."""

    def test_openais_models(self) -> None:
        """A name that says which model it is has that model's traits."""
        assert Azure().traits("my-gpt-5.6") == OpenAI().traits("gpt-5.6")

    def test_others(self) -> None:
        """A name of another vendor, or one that says nothing, has those of a server that nobody knows."""
        assert Azure().traits("grok-4") == Traits()
        assert Azure().traits("production") == Traits()

    def test_key(self) -> None:
        """The key has a header of its own."""
        assert Azure().key_header == "api-key"
