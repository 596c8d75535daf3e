"""Credentials and internal addresses do not pass; ordinary words do."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.redaction import (
    MAX_FORMER_CREDENTIALS,
    MAX_FORWARDED_CREDENTIALS,
    MAX_REMEMBERED_WORDS,
    MIN_CREDENTIAL_CHARACTERS,
    Redactor,
    carries_credential,
    redact,
    shorten,
)

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

    @pytest.mark.parametrize(
        "text", ["Bearer authentication is required", "basic auth is off", "send a bearer token, or input_tokens"]
    )
    def test_words_behind_a_scheme(self, text: str) -> None:
        """A word behind the name of a scheme is not a credential for that."""
        assert redact(text) == text

    def test_names(self) -> None:
        """A name that only looks like a credential stays, also with a full stop behind it."""
        names = ("org/hf-mirror-7b-chat", "sk-box-of-mine")
        assert redact("hf-mirror-7b-chat. SK-BOX-OF-MINE", names) == "hf-mirror-7b-chat. SK-BOX-OF-MINE"
        assert redact("hf-mirror-7b-chat-x1", names) == "[credential]"
        assert redact("Bearer sk-box-of-mine, Bearer sk-1", names) == "Bearer sk-box-of-mine, Bearer [credential]"


class RedactorTests:
    """Known credentials."""

    def test_longest(self) -> None:
        """A credential that begins with another one leaves no tail."""
        redactor = Redactor(["token-of-mine", "token-of-mine and more"])
        assert redactor("<token-of-mine and more> <token-of-mine>") == "<***> <***>"

    def test_overlapping(self) -> None:
        """Two credentials that overlap in a text are both hidden."""
        assert Redactor(["=aaaaaaaa=bbbb=", "=bbbb=cccccccc="])("x =aaaaaaaa=bbbb=cccccccc= y") == "x *** y"

    def test_short_ones(self) -> None:
        """What is shorter than twelve characters is left: it stands in ordinary words."""
        short = "k" * (MIN_CREDENTIAL_CHARACTERS - 1)
        redactor = Redactor([short])
        redactor.learn("ollama")
        assert redactor(f"{short} ollama") == f"{short} ollama"

    def test_words(self) -> None:
        """A credential that is a name, or stands in one, is left, and all others are not."""
        redactor = Redactor(
            ["Box-in-the-cellar", "coder-of-mine", "zx8-real-key-17"], ["box-in-the-cellar", "a/coder-of-mine"]
        )
        redactor.learn("BOX-IN-THE-CELLAR")
        assert redactor("Box-in-the-cellar a/coder-of-mine zx8-real-key-17") == "Box-in-the-cellar a/coder-of-mine ***"

    def test_unknown_credentials(self) -> None:
        """What is shaped like a credential is hidden although nobody told of it; a name of that shape is not."""
        redactor = Redactor((), ["sk-box-of-mine-here"])
        assert redactor("Authorization: Bearer abc.def-12345") == "Authorization: ***"
        assert redactor("key sk-ant-api03-aaaaaaaaaaaa was refused") == "key *** was refused"
        assert (
            redactor("risk-free bearer bonds, Bearer authentication") == "risk-free bearer bonds, Bearer authentication"
        )
        assert (
            redactor("Bearer sk-box-of-mine-here, sk-box-of-mine-here")
            == "Bearer sk-box-of-mine-here, sk-box-of-mine-here"
        )

    def test_learned(self) -> None:
        """A client's credential is hidden as soon as it is known, also in words that were looked at before."""
        redactor = Redactor(())
        assert redactor("the-clients-key") == "the-clients-key"
        redactor.learn("the-clients-key")
        redactor.learn("the-clients-key")
        assert redactor("the-clients-key") == "***"
        assert redactor("The-Clients-Key " * 10) == "*** " * 10

    def test_those_that_came_last(self) -> None:
        """So many are remembered; one that comes again is no old one."""
        redactor = Redactor(["the-owners-key"])
        keys = [f"key-of-client-{number}" for number in range(MAX_FORWARDED_CREDENTIALS + 1)]
        for key in keys[:-1]:
            redactor.learn(key)
        redactor.learn(keys[0])
        redactor.learn(keys[-1])
        assert [redactor(key) for key in ("the-owners-key", keys[0], keys[1], keys[2], keys[-1])] == [
            *("***", "***", keys[1], "***", "***"),
        ]

    def test_another_configuration(self) -> None:
        """Credentials of the configuration before are hidden on, the new ones too, and names are the new one's."""
        redact = Redactor(["the-old-credential"], ["the-old-backend-name"])
        redact.learn("a-clients-credential")
        redact.renew(["the-new-credential"], ["the-new-backend-name"])
        said = "the-old-credential the-new-credential a-clients-credential the-new-backend-name"
        assert redact(said) == "*** *** *** the-new-backend-name"
        redact.renew(["the-old-credential"], ["the-new-credential"])
        assert redact(said) == "*** the-new-credential *** the-new-backend-name"

    def test_many_configurations(self) -> None:
        """Credentials that change with each of many reloads do not pile up; the newest former ones are hidden."""
        redact = Redactor(["credential-number-0"])
        for number in range(1, MAX_FORMER_CREDENTIALS + 2):
            redact.renew([f"credential-number-{number}"], ())
        assert redact("credential-number-1 and") == "*** and"
        assert redact("credential-number-0 and") == "credential-number-0 and"

    def test_short_words_are_remembered(self) -> None:
        """The few words of most lines are looked at once, and not for ever more of them are kept."""
        redactor = Redactor(["the-owners-key"])
        for number in range(2 * MAX_REMEMBERED_WORDS):
            redactor(f"a word like {number}")
        assert redactor._cached_hide.cache_info().currsize == MAX_REMEMBERED_WORDS  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("header", "carries"),
        [
            *(("Authorization", True), ("proxy-authorization", True), ("Cookie", True), ("X-Api-Key", True)),
            *(("X-Auth-Token", True), ("X-SECRET", True), ("db-password", True), ("cf-aig-authorization", True)),
            *(("X-Title", False), ("HTTP-Referer", False), ("X-Author", False), ("Set-Cookie2", False)),
        ],
    )
    def test_headers(self, header: str, carries: bool) -> None:
        """Headers that carry a credential are known by their names."""
        assert carries_credential(header) is carries


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
