"""Tests for `claude_bridge.config.dialects`."""

from __future__ import annotations

import pytest

from claude_bridge.config.dialects import configured, key_header
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret


class ConfiguredTests:
    """What a backend speaks, by the configuration alone."""

    def test_named(self) -> None:
        """A dialect that is named is the one, whatever the host."""
        decided = configured(Backend(name="b", url="https://llm.chutes.ai/v1", dialect="vllm"))
        assert (decided.dialect.name, decided.why) == ("vllm", "configured")

    @pytest.mark.parametrize(
        "url", ["https://llm.chutes.ai/v1", "https://LLM.Chutes.AI:443/v1", "https://u@llm.chutes.ai"]
    )
    def test_by_host(self, url: str) -> None:
        """A known host is known however it is written."""
        decided = configured(Backend(name="b", url=url))
        assert (decided.dialect.name, decided.why) == ("chutes", "host llm.chutes.ai")

    @pytest.mark.parametrize("url", ["http://localhost:11434/v1", "http://192.168.1.5:1234/v1", "http://[::1]:8000/v1"])
    def test_unknown(self, url: str) -> None:
        """A server of one's own is not known by where it stands, not even by its usual port."""
        assert not configured(Backend(name="b", url=url)).known

    def test_key(self) -> None:
        """The key goes as a bearer, but to Azure in the header that it documents."""
        secret = Secret("k")
        assert key_header(Backend(name="b"), secret) == ("Authorization", "Bearer k")
        assert key_header(Backend(name="b", url="https://x.openai.azure.com/openai/v1"), secret) == ("api-key", "k")
