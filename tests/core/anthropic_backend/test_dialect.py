"""Tests for `claude_bridge.core.anthropic_backend.dialect`."""

from __future__ import annotations

import pytest

from claude_bridge.core.anthropic_backend.dialect import DIALECTS, decide
from claude_bridge.core.backend_api import Clues


class DecideTests:
    """Which server a backend is."""

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("api.anthropic.com", "anthropic"),
            ("bedrock-mantle.eu-central-1.api.aws", "bedrock"),
            ("openrouter.ai", "openrouter"),
            ("api.deepseek.com", "deepseek"),
            ("api.moonshot.ai", "moonshot"),
            ("api.z.ai", "zai"),
        ],
    )
    def test_hosts(self, host: str, name: str) -> None:
        """Services are known by their hosts."""
        decision = decide(Clues(host=host))
        assert decision is not None
        assert (decision.dialect.name, decision.why) == (name, f"host {host}")

    @pytest.mark.parametrize(
        "host", ["", "localhost", "api.anthropic.com.evil.test", "bedrock-mantle.evil.test", "evil-openrouter.ai"]
    )
    def test_other_hosts(self, host: str) -> None:
        """A host that only resembles one of them is not one."""
        assert decide(Clues(host=host)) is None

    @pytest.mark.parametrize(("owner", "name"), [("vllm", "vllm"), ("llamacpp", "llamacpp"), ("library", "ollama")])
    def test_owners(self, owner: str, name: str) -> None:
        """Engines are known by the owner of their models, unless they are behind a gateway with others."""
        decision = decide(Clues(host="tower", owners=(owner,)))
        assert decision is not None
        assert decision.dialect.name == name
        assert decide(Clues(host="tower", owners=(owner, "somebody"))) is None

    def test_header(self) -> None:
        """llama.cpp says its name."""
        decision = decide(Clues(headers={"server": "llama.cpp"}))
        assert decision is not None
        assert decision.dialect.name == "llamacpp"

    def test_order(self) -> None:
        """The host precedes what a service passes on."""
        decision = decide(Clues(host="openrouter.ai", owners=("vllm",)))
        assert decision is not None
        assert decision.dialect.name == "openrouter"


class DialectTests:
    """What is known of each."""

    def test_names(self) -> None:
        """Each is registered by its own name."""
        assert all(name == dialect.name for name, dialect in DIALECTS.items())

    def test_anthropic(self) -> None:
        """Only Anthropic itself gets a key that is meant for it, in its own header."""
        assert [name for name, dialect in DIALECTS.items() if dialect.is_anthropic] == ["anthropic"]
        assert [name for name, dialect in DIALECTS.items() if dialect.key_header != "Authorization"] == ["anthropic"]

    @pytest.mark.parametrize(
        ("name", "model", "signatures"),
        [
            ("anthropic", "claude-opus-5", "checked"),
            ("bedrock", "anthropic.claude-opus-5", "checked"),
            ("openrouter", "anthropic/claude-opus-5", "checked"),
            ("openrouter", "deepseek/deepseek-v4", "unchecked"),
            ("deepseek", "deepseek-v4", "unchecked"),
            ("generic", "claude-opus-5", "unchecked"),
        ],
    )
    def test_signatures(self, name: str, model: str, signatures: str) -> None:
        """Anthropic's models check signatures; a server of which nothing is known may turn out to."""
        assert DIALECTS[name].traits(model).signatures == signatures
