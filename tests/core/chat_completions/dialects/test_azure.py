"""Tests for `claude_bridge.core.chat_completions.dialects.azure`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.dialect import GENERIC
from claude_bridge.core.chat_completions.dialects.azure import Azure
from claude_bridge.core.chat_completions.dialects.openai import OpenAI
from tests.core.asking import tool
from tests.core.chat_completions.dialects.translated import fields, request


class AzureTests:
    """Azure OpenAI and Foundry."""

    def test_key(self) -> None:
        """The credential has a header of its own (learn.microsoft.com, Azure OpenAI v1)."""
        assert Azure().key_header == "api-key"

    @pytest.mark.parametrize("model", ["gpt-5-mini", "o3", "gpt-4.1", "gpt-5.6-sol", "prod-gpt-5.2"])
    def test_openai(self, model: str) -> None:
        """OpenAI's models are as at OpenAI, whatever stands before the name of the deployment."""
        assert fields(Azure(), model, temperature=0.2) == fields(OpenAI(), model, temperature=0.2)
        assert "temperature" in fields(Azure(), "gpt-4.1", temperature=0.2)
        assert "temperature" not in fields(Azure(), "prod-gpt-5.2", temperature=0.2)

    def test_tools_instead_of_reasoning(self) -> None:
        """Newer models call tools without reasoning there, too."""
        assert fields(Azure(), "gpt-5.6-sol", tools=[tool("Read")])["reasoning_effort"] == "none"

    def test_unknown_deployment(self) -> None:
        """A deployment may have any name: what all of OpenAI's models take is sent."""
        whole = request(Azure(), "my-deployment", system="Be brief.")
        assert (whole["messages"][0]["role"], "max_completion_tokens" in whole) == ("system", True)

    @pytest.mark.parametrize("model", ["Llama-3.3-70B-Instruct", "DeepSeek-V3.1", "mistral-large-2411", "gpt-oss-120b"])
    def test_others(self, model: str) -> None:
        """Other makers' models get nothing that is OpenAI's own."""
        assert fields(Azure(), model) == fields(GENERIC, model)
