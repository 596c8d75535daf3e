"""URLs of backends that lead somewhere else."""

from __future__ import annotations

import pytest

from claude_bridge.config.backend_urls import is_here, misdirected


class MisdirectedTests:
    """A URL that cannot be right gets the one that is."""

    @pytest.mark.parametrize(
        ("url", "right"),
        [
            ("http://127.0.0.1:8000/v1/models", "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000/v1/messages", "http://127.0.0.1:8000/v1"),
            ("http://127.0.0.1:8000/v1/messages/count_tokens", "http://127.0.0.1:8000/v1"),
            ("https://x.example/proxy/v1/completions", "https://x.example/proxy/v1"),
            ("https://x.example/api/paas/v4/chat", "https://x.example/api/paas/v4"),
            ("http://[::1]:8000/v1/responses", "http://[::1]:8000/v1"),
            ("http://127.0.0.1:11434/api/generate", "http://127.0.0.1:11434/v1"),
            ("https://generativelanguage.googleapis.com/v1beta", "generativelanguage.googleapis.com/v1beta/openai"),
            ("https://generativelanguage.googleapis.com/v1beta/models", "googleapis.com/v1beta/openai"),
            ("https://api.deepseek.com/anthropic", "https://api.deepseek.com"),
            ("https://api.z.ai/api/anthropic", "https://api.z.ai/api/paas/v4"),
            ("https://api.moonshot.ai/anthropic/v1/messages", "https://api.moonshot.ai/v1"),
        ],
    )
    def test_right_form(self, url: str, right: str) -> None:
        """An endpoint too many, or another API of the same server, is told with what to write."""
        (told,) = misdirected(url, "openai")
        assert told.rstrip("?").endswith(right)

    @pytest.mark.parametrize(
        "url", ["https://api.anthropic.com", "https://api.anthropic.com/v1", "https://x.example/anthropic"]
    )
    def test_another_api(self, url: str) -> None:
        """Where there is no right form it is said that this kind of backend speaks something else."""
        (told,) = misdirected(url, "openai")
        assert "chat completions" in told
        assert "kind = anthropic" in told

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000/v1",
            "https://api.deepseek.com",
            "https://openrouter.ai/api/v1",
            "https://api.z.ai/api/paas/v4",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "https://NAME.openai.azure.com/openai/v1",
            "https://box.services.ai.azure.com/models",
            "http://webui.example/api",
            "http://webui.example/ollama/v1",
        ],
    )
    def test_good_ones(self, url: str) -> None:
        """Nothing is said of what the documents of backends give, or of folders that may be somebody's own."""
        assert list(misdirected(url, "openai")) == []

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("https://api.anthropic.com", "not for the Responses API: set kind = anthropic"),
            ("https://api.deepseek.com/anthropic", "not for the Responses API: set kind = anthropic"),
            ("http://127.0.0.1:8000/v1/models", "did you mean http://127.0.0.1:8000/v1?"),
            ("http://127.0.0.1:11434/api/generate", "did you mean http://127.0.0.1:11434/v1?"),
        ],
    )
    def test_responses(self, url: str, words: str) -> None:
        """What leads to another API than that of ``kind = responses`` is told in its words."""
        (told,) = misdirected(url, "responses")
        assert words in told

    def test_good_for_responses(self) -> None:
        """Nothing is said of the usual bases."""
        assert list(misdirected("https://api.openai.com/v1", "responses")) == []


class HereTests:
    """Whether a backend is on this machine."""

    @pytest.mark.parametrize(
        ("url", "is_it"),
        [
            ("http://127.0.0.1:8000/v1", True),
            ("http://localhost/v1", True),
            ("http://[::1]:8000/v1", True),
            ("http://gpu:8000/v1", False),
            ("https://api.anthropic.com", False),
        ],
    )
    def test_hosts(self, url: str, is_it: bool) -> None:
        """The names and addresses of the machine itself are; nobody knows of any other."""
        assert is_here(url) == is_it
