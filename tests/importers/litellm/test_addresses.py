"""Tests for `claude_bridge.importers.litellm.addresses`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.litellm.addresses import (
    UnusableAddress,
    backend_hint,
    has_query,
    needs_no_key,
    url_of,
)
from claude_bridge.importers.litellm.providers import PROVIDERS
from claude_bridge.importers.litellm.values import Values
from claude_bridge.importers.text import Text, Variable, plain

VALUES = Values({})


def url(prefix: str, written: str) -> Text:
    """Return the URL for an ``api_base`` of a provider."""
    return url_of(written, PROVIDERS[prefix], VALUES, PROVIDERS[prefix].root)


class UrlTests:
    """``api_base`` as people write it."""

    @pytest.mark.parametrize(
        ("prefix", "written", "expected"),
        [
            ("openai", "http://box:8000/v1/", "http://box:8000/v1"),
            ("openai", "http://box:8000/v1/chat/completions", "http://box:8000/v1"),
            ("openai", "box:8000/v1", "http://box:8000/v1"),
            ("openai", " http://box:8000?x=1#y ", "http://box:8000"),
            ("ollama", "http://box:11434", "http://box:11434/v1"),
            ("ollama_chat", "http://box:11434/v1/", "http://box:11434/v1"),
            ("ollama", "http://box:11434/api/chat", "http://box:11434/v1"),
            ("anthropic", "https://gateway.example.org/v1/messages", "https://gateway.example.org"),
            ("anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic"),
            ("azure", "https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1"),
            (
                "azure",
                "https://r.openai.azure.com/openai/deployments/g/chat/completions?api-version=1",
                "https://r.openai.azure.com/openai/v1",
            ),
            ("azure_ai", "https://r.services.ai.azure.com/models", "https://r.services.ai.azure.com/openai/v1"),
            ("gemini", "https://g.example.org/v1beta", "https://g.example.org/v1beta/openai"),
        ],
    )
    def test_url(self, prefix: str, written: str, expected: str) -> None:
        """The result is a base URL of the bridge."""
        assert url(prefix, written) == plain(expected)

    def test_variable(self) -> None:
        """A variable keeps what follows it."""
        assert url("ollama", "os.environ/BOX") == Text(parts=(Variable("BOX", "http://127.0.0.1:8000"), "/v1"))
        assert url("openai", "os.environ/BOX") == Text(parts=(Variable("BOX", "http://127.0.0.1:8000"),))

    @pytest.mark.parametrize("written", ["ftp://box", "http://", "http://[1", "http://a b", "https://me:pass-7e6d@box"])
    def test_unusable(self, written: str) -> None:
        """An address that no backend can have is refused without being quoted."""
        with pytest.raises(UnusableAddress) as caught:
            url("openai", written)
        assert "pass-7e6d" not in str(caught.value)

    def test_query(self) -> None:
        """A query is noticed."""
        assert has_query("http://box?x=1")
        assert not has_query("http://box/x")


class KeyTests:
    """Which servers ask for no key."""

    @pytest.mark.parametrize(
        ("address", "none"),
        [
            ("http://127.0.0.1:8000/v1", True),
            ("http://vllm:8000/v1", True),
            ("http://192.168.1.5/v1", True),
            ("http://host.docker.internal:11434/v1", True),
            ("http://gpu.lan/v1", True),
            ("https://llm.example.org/v1", False),
            ("http://8.8.8.8/v1", False),
        ],
    )
    def test_by_address(self, address: str, none: bool) -> None:
        """Those at home and in a container's network do not, by their address."""
        assert needs_no_key(plain(address)) is none


class HintTests:
    """Names for backends."""

    @pytest.mark.parametrize(
        ("prefix", "address", "name"),
        [
            ("openai", "https://api.openai.com/v1", "openai"),
            ("openai", "https://coding.dashscope.example.com/v1", "example"),
            ("openai", "https://api.example.org/v1", "example"),
            ("openai", "http://localhost:8000/v1", "local"),
            ("openai", "http://10.0.0.7:8000/v1", "backend"),
            ("openai", "http://tower:8000/v1", "tower"),
            ("hosted_vllm", "http://tower:8000/v1", "vllm"),
            ("ollama_chat", "http://tower:11434/v1", "ollama"),
            ("together_ai", "https://api.together.xyz/v1", "together-ai"),
        ],
    )
    def test_name(self, prefix: str, address: str, name: str) -> None:
        """The provider's name where there is one, else the host's."""
        assert backend_hint(prefix, plain(address), PROVIDERS[prefix]) == name

    @pytest.mark.parametrize(
        ("variable", "name"), [("MY_BOX_API_BASE", "my-box"), ("GATEWAY_URL", "gateway"), ("API_BASE", "backend")]
    )
    def test_of_a_variable(self, variable: str, name: str) -> None:
        """The variable's name without its usual end."""
        assert backend_hint("openai", Text(parts=(Variable(variable),)), PROVIDERS["openai"]) == name
