"""Credentials and internal addresses do not pass; ordinary words do."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.faults.redaction import redact, shorten

KEYS = [
    "sk-abcdefghijklmnop",
    "sk-ant-api03-AbC_d-9",
    "sk-proj-abc123****************wxyz",
    "sk-or-v1-0123456789abcdef",
    "cpk_a1b2c3.d4e5f6.g7h8i9",
    "gsk_AbCdEf123456",
    "hf_AbCdEfGhIjKl",
    "nvapi-AbCdEf123456",
    "xai-AbCdEf123456",
    "AIzaSyA1234567890abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "AKIAIOSFODNN7EXAMPLE",
    "0123456789abcdef0123456789abcdef",
]
ADDRESSES = [
    "http://vllm-7f9c:8000/v1/chat",
    "https://10.2.3.4/v1",
    "http://user:pass@proxy.example.com/",
    "https://api.example.com/v1?key=secret",
    "postgresql://u:p@db/x",
    "10.2.3.4:8000",
    "192.168.1.20",
    "[fd00::12]:8000",
    "localhost:11434",
    "gpu-3.cluster.local",
    "vllm.ml.svc.cluster.local:8000",
    "nas.home.arpa",
    "worker-12.eu-west:50051",
]


class RedactTests:
    """What is hidden and what is left."""

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("frame", ["Incorrect API key provided: {}.", "({})", "key='{}'", "{}", "bad {}, sorry"])
    def test_keys(self, key: str, frame: str) -> None:
        """A credential of any vendor is hidden wherever it stands."""
        told = redact(frame.format(key))
        assert key not in told
        assert "[credential]" in told

    @pytest.mark.parametrize(
        "text",
        [
            "Authorization: Bearer hunter2-hunter2",
            "the header was 'Bearer hunter2' but",
            "api_key=hunter2&x=1",
            '{"x-api-key": "hunter2"}',
            "password: hunter2",
            "invalid access token: hunter2",
            "Basic hunter2==",
        ],
    )
    def test_named_secrets(self, text: str) -> None:
        """What is called a secret is hidden, whatever it looks like."""
        assert "hunter2" not in redact(text)

    @pytest.mark.parametrize("address", ADDRESSES)
    @pytest.mark.parametrize("frame", ["cannot connect to {}", "dial tcp {}: refused", "({})", "{}"])
    def test_addresses(self, address: str, frame: str) -> None:
        """An internal address or host is hidden wherever it stands."""
        told = redact(frame.format(address))
        assert address not in told
        assert "[address]" in told
        for part in ("vllm-7f9c", "gpu-3", "10.2.3", "pass@", "nas", "fd00"):
            assert part not in told

    @pytest.mark.parametrize(
        "text",
        [
            "HTTPConnectionPool(host='inference', port=8000): Max retries exceeded",
            "Cannot connect to host inference:8000 ssl:default",
            "dial tcp: lookup inference on the network: no such host",
        ],
    )
    def test_named_hosts(self, text: str) -> None:
        """A bare host name is hidden where the words say that it is one."""
        assert "inference" not in redact(text)

    @pytest.mark.parametrize(
        "text",
        [
            "model: zai-org/GLM-4.5-Air is unknown",
            "The model `Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8` does not exist.",
            "qwen2.5-coder:32b and gpt-oss:20b are loading",
            "max_tokens must be in [1, 8192], got 128000",
            "body.messages.0.content: Input should be a valid string",
            "See https://platform.openai.com/docs/guides/error-codes.",
            "prompt is too long: 213462 tokens > 200000 maximum",
            "This model's maximum context length is 32768 tokens.",
            "risk-assessment of task-specific token_count_exceeded",
            "API key not valid. Please pass a valid API key.",
            "tokens:4096, line:12345, at 12:34:56",
            "capability_rejected: mid_conv_system",
            "claude-opus-5-5@claude-bridge",
        ],
    )
    def test_ordinary_words(self, text: str) -> None:
        """Model names, numbers, fields and public pages stay readable."""
        assert redact(text) == text

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """No text makes it fail."""
        redact(text)

    @pytest.mark.parametrize("unit", ["a", "1.", "a-", "sk-", "https://", "[:", "bearer ", "api key ", "x.local", "a1"])
    def test_linear(self, unit: str) -> None:
        """A text made to be slow to search is not."""
        start = perf_counter()
        redact(unit * (20_000 // len(unit)))
        assert perf_counter() - start < 5


class ShortenTests:
    """Cutting."""

    def test_short(self) -> None:
        """What is short enough is left alone."""
        assert shorten("abc", 3) == "abc"

    def test_between_words(self) -> None:
        """The cut is made between words, so that no half of a secret is left over."""
        assert shorten("the key sk-12345678 is wrong", 14) == "the key …"
        assert shorten("x" * 50, 10) == " …"

    def test_other_scripts(self) -> None:
        """Text without spaces is cut too, not dropped."""
        assert shorten("\u4e2d" * 50, 10) == "\u4e2d" * 10 + " …"
