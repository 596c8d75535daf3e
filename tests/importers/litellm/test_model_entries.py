"""Tests for `claude_bridge.importers.litellm.model_entries`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.deployment import Deployment
from claude_bridge.importers.litellm.model_entries import Defaults, ModelEntries
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.values import Values
from claude_bridge.importers.text import Text, Variable, plain
from tests.importers.litellm.files import lost, table_of


def read(
    parameters: str, info: str = "{}", *, defaults: Defaults | None = None
) -> tuple[Deployment | None, dict[str, str]]:
    """Return what one entry says, and what of it is not carried over."""
    notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
    text = f"model_list: [{{model_name: name, litellm_params: {parameters}, model_info: {info}}}]"
    reader = ModelEntries(values=Values({}), defaults=defaults or Defaults(), notes=notes)
    found = [*reader.read(table_of(text).tables("model_list"))]
    notes.write(draft)
    assert reader.dropped == (set() if found else {"name"})
    return (found[0] if found else None), lost(draft)


def deployment(parameters: str, info: str = "{}", *, defaults: Defaults | None = None) -> Deployment:
    """Return what one entry says, all of which is carried over."""
    found, missing = read(parameters, info, defaults=defaults)
    assert missing == {}
    assert found is not None
    return found


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


class KeyTests:
    """With which key."""

    @pytest.mark.parametrize(
        ("parameters", "variable"),
        [
            ("{model: groq/m}", "GROQ_API_KEY"),
            ("{model: groq/m, api_key: os.environ/MINE}", "MINE"),
            ("{model: azure/m, api_base: 'https://r.openai.azure.com'}", "AZURE_API_KEY"),
            ("{model: openai/m, api_base: 'https://llm.example.org/v1'}", "OPENAI_API_KEY"),
            ("{model: openai/m, api_base: 'http://box:8000/v1'}", None),
            ("{model: ollama/m}", None),
            ("{model: openai/m, api_base: 'http://box:8000/v1', api_key: none}", None),
        ],
    )
    def test_key(self, parameters: str, variable: str | None) -> None:
        """Without one in the file it is the provider's variable, and none for servers that want none."""
        found = deployment(parameters)
        assert (None if found.key is None else found.key.key) == (
            None if variable is None else Text(parts=(Variable(variable),))
        )

    def test_options(self) -> None:
        """Shares and limits belong to the key."""
        key = deployment("{model: groq/m, weight: 2, rpm: 30, tpm: '1000'}").key
        assert key is not None
        assert key.options == " weight=2 rpm=30 tpm=1000"


class FactsTests:
    """What is known of the model."""

    @pytest.mark.parametrize(
        ("parameters", "info", "window", "most"),
        [
            ("{model: groq/m}", "{max_tokens: 8192}", None, 8192),
            ("{model: groq/m}", "{max_tokens: 8192, max_input_tokens: 131072}", 131072, 8192),
            ("{model: groq/m}", "{max_tokens: 131072, max_input_tokens: 131072}", 131072, None),
            ("{model: groq/m}", "{max_input_tokens: '200000', max_output_tokens: 64000}", 200000, 64000),
            ("{model: ollama/m, num_ctx: 32768}", "{}", 32768, None),
            ("{model: ollama/m, extra_body: {num_ctx: 4096}}", "{}", 4096, None),
        ],
    )
    def test_windows(self, parameters: str, info: str, window: int | None, most: int | None) -> None:
        """A lone ``max_tokens`` is the longest answer: as a window it could make every prompt too long."""
        facts = deployment(parameters, info).facts
        assert (facts.context_window, facts.max_output_tokens) == (window, most)

    def test_traits(self) -> None:
        """A model that sees nothing refuses images; dropped fields are dropped."""
        facts = deployment("{model: groq/m, additional_drop_params: [stop, top_p]}", "{supports_vision: false}").facts
        assert facts.traits == (("images", "refuse"), ("drop", "top_p, stop"))

    def test_price_and_budget(self) -> None:
        """Prices and budgets are the model's too."""
        facts = deployment(
            "{model: groq/m, max_budget: 5, budget_duration: 1d}",
            "{input_cost_per_token: 1e-6, output_cost_per_token: 2e-6}",
        ).facts
        assert facts.price is not None
        assert facts.budget is not None


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
            ("{api_key: x}", "{}", "model_list[0]", "names no model"),
        ],
    )
    def test_entry(self, parameters: str, info: str, path: str, words: str) -> None:
        """The entry is left out, and the report says why."""
        found, missing = read(parameters, info)
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
        found, missing = read(parameters, info)
        assert found is not None
        assert [*missing] == [f"model_list[0].{path}"]
