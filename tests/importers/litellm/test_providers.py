"""Tests for `claude_bridge.importers.litellm.providers`."""

from __future__ import annotations

import pytest

from claude_bridge.config.backend_urls import misdirected
from claude_bridge.config.fields import base_url
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS, decide
from claude_bridge.core.kinds import KINDS
from claude_bridge.importers.litellm.providers import HOSTS, PROVIDERS, UNAVAILABLE, without_prefix
from claude_bridge.importers.litellm.values import host
from claude_bridge.importers.names import is_variable
from claude_bridge.importers.text import plain


@pytest.mark.parametrize("prefix", PROVIDERS)
class ProviderTests:
    """Each provider."""

    def test_valid(self, prefix: str) -> None:
        """Its URL, kind, dialect and variables are such as a configuration may have."""
        provider = PROVIDERS[prefix]
        assert provider.kind in KINDS
        assert provider.dialect in {"", *DIALECTS}
        assert provider.url or provider.base
        assert all(is_variable(each) for each in (provider.key, provider.base) if each)
        if provider.url:
            assert base_url(provider.url) == provider.url
            assert [*misdirected(provider.url, provider.kind)] == []

    def test_dialect_by_host(self, prefix: str) -> None:
        """Where its host tells the dialect, the table says the same one."""
        provider = PROVIDERS[prefix]
        found = decide(Clues(host=host(plain(provider.url)))) if provider.url and provider.kind == "openai" else None
        if found is not None and provider.url != PROVIDERS["openai"].url:
            assert provider.dialect == found.dialect.name

    def test_one_answer(self, prefix: str) -> None:
        """A prefix has a counterpart or has none."""
        assert prefix not in UNAVAILABLE


class WithoutPrefixTests:
    """Models without a prefix."""

    @pytest.mark.parametrize(
        ("model", "provider"),
        [
            ("gpt-4o", "openai"),
            ("o3-mini", "openai"),
            ("claude-sonnet-4-5", "anthropic"),
            ("gemini-2.5-pro", "vertex_ai"),
            ("command-r", "cohere"),
            ("anthropic.claude-3", "bedrock"),
            ("*", "openai"),
            ("mine", ""),
        ],
    )
    def test_provider(self, model: str, provider: str) -> None:
        """Well-known names tell it."""
        assert without_prefix(model) == provider
        assert provider in {"", *PROVIDERS, *UNAVAILABLE}

    def test_hosts(self) -> None:
        """Hosts lead to providers that are there."""
        assert set(HOSTS.values()) <= PROVIDERS.keys()
