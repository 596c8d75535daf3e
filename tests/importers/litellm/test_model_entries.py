"""Tests for `claude_bridge.importers.litellm.model_entries`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.litellm.model_entries import Defaults
from claude_bridge.importers.text import plain
from tests.importers.litellm.files import deployment, draft_of, read_entry


class PlaceTests:
    """Where an entry's requests go."""

    @pytest.mark.parametrize(
        ("parameters", "url", "kind", "dialect", "model"),
        [
            ("{model: openai/gpt-4o}", "https://api.openai.com/v1", "", "", "gpt-4o"),
            ("{model: openai/gpt-5.2-codex}", "https://api.openai.com/v1", "responses", "", "gpt-5.2-codex"),
            ("{model: openai/gpt-5.6, api_base: 'http://x/v1'}", "http://x/v1", "", "", "gpt-5.6"),
            (
                "{model: openai/x, api_base: 'https://api.anthropic.com/v1'}",
                "https://api.anthropic.com",
                "anthropic",
                "",
                "x",
            ),
            ("{model: m, api_base: 'https://api.groq.com/openai/v1'}", "https://api.groq.com/openai/v1", "", "", "m"),
            ("{model: vendor/m, base_url: 'http://x/v1'}", "http://x/v1", "", "", "vendor/m"),
            ("{model: openai/m, custom_llm_provider: groq}", "https://api.groq.com/openai/v1", "", "", "openai/m"),
            ("{model: hosted_vllm/a/b, api_base: 'http://x/v1'}", "http://x/v1", "", "vllm", "a/b"),
        ],
    )
    def test_place(self, parameters: str, url: str, kind: str, dialect: str, model: str) -> None:
        """The prefix, the address and the model's name decide."""
        found = deployment(parameters)
        assert (found.place.url, found.place.kind, found.place.dialect, found.model) == (
            plain(url),
            kind,
            dialect,
            model,
        )

    @pytest.mark.parametrize(
        ("parameters", "first", "streams"),
        [
            ("{model: openai/m}", 20, 5),
            ("{model: openai/m, timeout: 30, max_parallel_requests: 2}", 30, 2),
            ("{model: openai/m, timeout: 30, stream_timeout: '7.5'}", 7.5, 5),
            ("{model: openai/m, timeout: 100000}", 20, 5),
        ],
    )
    def test_limits(self, parameters: str, first: float, streams: int) -> None:
        """An entry's own limits come before those of all entries; for streams, those of streams."""
        place = deployment(parameters, defaults=Defaults(timeout=60, stream_timeout=20, max_streams=5)).place
        assert (place.first_byte_timeout, place.max_streams) == (first, streams)

    def test_proxy(self) -> None:
        """A proxy is for all but what is near, or named as an exception."""
        defaults = Defaults(proxy=plain("http://p:1"), unproxied=("example.net",))
        for base, proxied in (("https://a.example.org", True), ("https://a.example.net", False), ("http://box", False)):
            found = deployment(f"{{model: openai/m, api_key: k-1234567, api_base: '{base}'}}", defaults=defaults)
            assert (found.place.proxy is not None) is proxied


class LossTests:
    """What cannot be carried over."""

    @pytest.mark.parametrize(
        ("parameters", "info", "path", "words"),
        [
            ("{model: bedrock/x}", "{}", "model_list[0].litellm_params.model", "signs each request"),
            ("{model: hosted_vllm/x}", "{mode: embedding}", "model_list[0]", "for embedding"),
            ("{model: openai/text-embedding-3-small}", "{}", "model_list[0]", "by its name"),
            ("{model: mine}", "{}", "model_list[0].litellm_params.model", "no prefix"),
            ("{model: openai/x, api_base: 'ftp://x'}", "{}", "model_list[0].litellm_params.api_base", "left out"),
            ("{model: azure/x, azure_ad_token: t}", "{}", "model_list[0].litellm_params", "without a key"),
            ("{model: openai/x}", "{blocked: true}", "model_list[0].model_info.blocked", "paused"),
            ("{api_key: x}", "{}", "model_list[0]", "no model is named"),
        ],
    )
    def test_entry(self, parameters: str, info: str, path: str, words: str) -> None:
        """The entry is left out, and the report says why."""
        found, missing = read_entry(parameters, info)
        assert found is None
        assert words in missing[path]

    @pytest.mark.parametrize(
        ("parameters", "info", "path"),
        [
            ("{model: groq/m, temperature: 1}", "{}", "litellm_params.temperature"),
            ("{model: groq/m, ssl_verify: false}", "{}", "litellm_params.ssl_verify"),
            ("{model: groq/m, extra_headers: {Host: x}}", "{}", "litellm_params.extra_headers.Host"),
            ("{model: groq/m, extra_headers: {A: [x]}}", "{}", "litellm_params.extra_headers.A"),
            ("{model: groq/m, rpm: many}", "{}", "litellm_params.rpm"),
            ("{model: groq/m, litellm_credential_name: x}", "{}", "litellm_params.litellm_credential_name"),
            ("{model: groq/m, extra_body: {enable_thinking: no}}", "{}", "litellm_params.extra_body.enable_thinking"),
            ("{model: groq/m}", "{access_groups: [a]}", "model_info.access_groups"),
        ],
    )
    def test_setting(self, parameters: str, info: str, path: str) -> None:
        """The entry is there, and the setting is reported."""
        found, missing = read_entry(parameters, info)
        assert found is not None
        assert [*missing] == [f"model_list[0].{path}"]


class VariableTests:
    """Variables that stand for keys that are written out."""

    def test_no_clash(self) -> None:
        """A variable in which LiteLLM looks for one entry's key does not stand for the key of another one."""
        draft = draft_of(
            "model_list:\n"
            "  - {model_name: a, litellm_params: {model: openai/a, api_key: sk-12345678-9abc}}\n"
            "  - {model_name: b, litellm_params: {model: openai/b}}\n"
        )
        assert [key.key.instead or key.key.variables[0].name for each in draft.backends for key in each.api_key] == [
            "OPENAI_API_KEY_2",
            "OPENAI_API_KEY",
        ]
