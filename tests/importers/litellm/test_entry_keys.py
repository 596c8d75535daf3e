"""Tests for `claude_bridge.importers.litellm.entry_keys`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.text import Text, Variable
from tests.importers.litellm.files import deployment, read_entry


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
            ("{model: azure_ai/m, api_base: os.environ/BASE}", "AZURE_AI_API_KEY"),
            ("{model: hosted_vllm/m, api_base: os.environ/BASE}", None),
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

    @pytest.mark.parametrize("key", ["", ", api_key: none"])
    def test_limits_without_key(self, key: str) -> None:
        """Limits have no place where no key is sent, and are reported; without limits nothing is."""
        entry = f"model: openai/m, api_base: 'http://127.0.0.1:18970/v1'{key}"
        found, missing = read_entry(f"{{{entry}, rpm: 60, tpm: 100000}}")
        assert found is not None
        assert found.key is None
        assert [each.rpartition(".")[2] for each in missing] == ["rpm", "tpm"]
        assert read_entry(f"{{{entry}}}")[1] == {}

    @pytest.mark.parametrize("key", ["has a space", "nöt-ascii-1234", "'trailing '", '"#comment"'])
    def test_not_sendable(self, key: str) -> None:
        """A key that no header can carry is reported, and none is sent."""
        found, missing = read_entry(f"{{model: groq/m, api_key: {key}}}")
        assert found is not None
        assert (found.key is None) is bool(missing)


class HeaderTests:
    """Headers."""

    def test_headers(self) -> None:
        """Both words for them are read, the second one last; an organization is a header too."""
        found = deployment(
            "{model: groq/m, headers: {A: '1', B: '1'}, extra_headers: {B: os.environ/X}, organization: o}"
        )
        assert [(name, [*text.parts]) for name, text in found.place.headers] == [
            ("A", ["1"]),
            ("B", [Variable("X", "x")]),
            ("OpenAI-Organization", ["o"]),
        ]

    def test_secret(self) -> None:
        """A header that carries a key is a secret, and a bearer is the key."""
        found = deployment(
            "{model: groq/m, api_key: none, headers: {X-Token: t-12345678, authorization: Bearer b-12345678}}"
        )
        (header,) = found.place.headers
        assert header[1].has_secret
        assert found.key is not None
        assert found.key.key.has_secret

    @pytest.mark.parametrize("written", [r'"two\nlines"', "ünïcode", "'a #comment'"])
    def test_not_written(self, written: str) -> None:
        """A header that an INI file cannot hold is reported."""
        found, missing = read_entry(f"{{model: groq/m, headers: {{A: {written}}}}}")
        assert found is not None
        assert [*missing] == ["model_list[0].litellm_params.headers.A"]
