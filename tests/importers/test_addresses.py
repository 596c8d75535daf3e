"""Addresses as other tools write them."""

from __future__ import annotations

import pytest

from claude_bridge.config.fields import base_url
from claude_bridge.importers.addresses import address, host_of, url_text


class AddressTests:
    """One address."""

    @pytest.mark.parametrize(
        ("written", "url", "kind"),
        [
            ("https://openrouter.ai/api/v1/chat/completions", "https://openrouter.ai/api/v1", "openai"),
            ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1", ""),
            (" https://api.deepseek.com/chat/completions ", "https://api.deepseek.com", "openai"),
            ("https://api.deepseek.com", "https://api.deepseek.com", ""),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", ""),
            ("http://[::1]:8000/v1", "http://[::1]:8000/v1", ""),
            ("HTTP://Box:1234/v1/completions", "HTTP://Box:1234/v1", "openai"),
            ("http://localhost:11434/api/chat", "http://localhost:11434/v1", "openai"),
            ("https://api.openai.com/v1/responses", "https://api.openai.com/v1", "responses"),
            ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com", "anthropic"),
            ("https://api.anthropic.com", "https://api.anthropic.com", "anthropic"),
            ("https://api.anthropic.com/v1", "https://api.anthropic.com", "anthropic"),
            ("https://api.z.ai/api/anthropic", "https://api.z.ai/api/anthropic", "anthropic"),
            ("https://api.z.ai/api/anthropic/v1/messages", "https://api.z.ai/api/anthropic", "anthropic"),
            (
                "https://generativelanguage.googleapis.com/v1beta/models/",
                "https://generativelanguage.googleapis.com/v1beta/openai",
                "openai",
            ),
            (
                "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
                "https://generativelanguage.googleapis.com/v1beta/openai",
                "openai",
            ),
            (
                "https://generativelanguage.googleapis.com",
                "https://generativelanguage.googleapis.com/v1beta/openai",
                "openai",
            ),
            (
                "https://x.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=1",
                "https://x.openai.azure.com/openai/v1",
                "",
            ),
            ("${OLLAMA}/v1/chat/completions", "${OLLAMA}/v1", "openai"),
            ("${URL}", "${URL}", ""),
        ],
    )
    def test_base(self, written: str, url: str, kind: str) -> None:
        """The end of an endpoint is taken off, and tells what the backend speaks."""
        found = address(written)
        assert (found.url, found.kind) == (url, kind)
        if "$" not in url:
            assert base_url(url) == url.replace("HTTP:", "http:")

    def test_known_kind(self) -> None:
        """What is known otherwise counts where the address does not tell."""
        assert address("https://x.example/v1", "anthropic").kind == "anthropic"
        assert address("https://x.example/v1/chat/completions", "anthropic").kind == "openai"

    @pytest.mark.parametrize(
        "written",
        ["", "box", "ftp://box/v1", "https://", "http://a b/v1", "my own server", "http://[", "http://box:99999/v1"],
    )
    def test_none(self, written: str) -> None:
        """What is no address of a server has no URL."""
        assert address(written).url == ""

    def test_login_and_query(self) -> None:
        """Neither can stand in the URL of a backend; what is said of them does not show them."""
        found = address("https://me:invented@x.example/v1?key=invented#invented")
        assert found.url == "https://x.example/v1"
        assert len(found.lost) == 2
        assert "invented" not in "".join(found.lost)


class VariableTests:
    """References in addresses."""

    @pytest.mark.parametrize("written", ["http://${BOX}:${PORT}/v1", "${URL}/v1", "https://x.example/${TENANT}/v1"])
    def test_samples(self, written: str) -> None:
        """With the samples of its variables it is an address, so that a result can be checked."""
        text = url_text(written)
        assert text.ini(with_secrets=True) == written
        filled = written
        for variable in text.variables:
            filled = filled.replace(f"${{{variable.name}}}", variable.sample)
        assert base_url(filled) == filled.rstrip("/")

    def test_host(self) -> None:
        """The host of an address is in lower case; what is no URL has none."""
        assert [host_of(each) for each in ("https://A.example:1/v1", "http://[", "x")] == ["a.example", "", ""]
