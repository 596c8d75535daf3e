"""Promises of `claude_bridge.config.hidden`: what is a credential of a configuration, and what is a name."""

from __future__ import annotations

import pytest

from claude_bridge.config import hidden
from claude_bridge.config.ini import read_ini
from claude_bridge.config.load import parse
from claude_bridge.config.secret import hash_of
from tests.config.files import config_of, reading

KEY = "Zx8-owners_key/17"


def told(text: str) -> list[str]:
    """Return the warnings of a file."""
    return [str(each) for each in hidden.not_hidden(config_of(text), read_ini(text).sections)]


def of_key(value: str) -> list[str]:
    """Return what is said of a backend's key."""
    return told(f"[backend:box]\nurl = http://gpu-box.example.net/v1\napi_key = {value}\n")


class CredentialsTests:
    """What is hidden."""

    def test_everywhere(self) -> None:
        """Keys of backends, of clients and of the search engine are credentials, and so are headers named like one."""
        config = config_of(
            "[server]\ncredentials = keys\n[backend:b]\napi_key = key-of-backend-b\n"
            "headers =\n  X-Gateway-Token: Bearer token-in-a-header\n  X-Title: Our own title\n  X-Api-Key:\n"
            "proxy = http://me:password-of%2Fthe-proxy@gateway:3128\n"
            "[key:k]\nsecret = secret-of-client-k\n[web_search]\nengine = brave\napi_key = key-of-the-engine\n"
        )
        assert list(hidden.credentials(config)) == [
            ("backend:b", "api_key", "key-of-backend-b"),
            ("backend:b", "X-Gateway-Token", "token-in-a-header"),
            ("backend:b", "proxy", "password-of/the-proxy"),
            ("key:k", "secret", "secret-of-client-k"),
            ("web_search", "api_key", "key-of-the-engine"),
        ]
        redact = hidden.redactor(config)
        for _, _, each in hidden.credentials(config):
            assert redact(f"<{each}>") == "<***>"
        assert redact("<password-of%2Fthe-proxy>") == "<***>"
        assert redact("Our own title") == "Our own title"

    def test_proxy_of_the_environment(self) -> None:
        """The password of a proxy that a variable names is a credential too."""
        config = config_of(
            "[backend:b]\nurl = https://x.example/v1\nproxy = env\n", {"HTTPS_PROXY": "me:password-of-the-proxy@proxy"}
        )
        assert list(hidden.credentials(config)) == [("backend:b", "proxy", "password-of-the-proxy")]
        assert hidden.redactor(config)("<password-of-the-proxy>") == "<***>"

    @pytest.mark.parametrize("header", ["HTTP-Referer: https://our-own-site.example", "X-Title: a-title-of-20-signs"])
    def test_other_headers(self, header: str) -> None:
        """The value of any other header is an ordinary word."""
        redact = hidden.redactor(config_of(f"[backend:b]\nheaders =\n  {header}\n"))
        value = header.partition(": ")[2]
        assert redact(value) == value

    @pytest.mark.parametrize("line", ["X-Extra: ${VAR}", "X-Extra: a-${VAR:-b}", "x-extra:${VAR}"])
    def test_from_variables(self, line: str) -> None:
        """Which headers came out of variables is known."""
        config = parse(f"[backend:b]\nheaders =\n  X-Title: $$5 $${{x}}\n  {line}\n", {"VAR": "v"}, reading())
        assert config.variables == {("backend:b", "x-extra")}


class WordsTests:
    """What is never hidden."""

    FILE = (
        "[server]\nallowed_hosts = bridge.our-company.example\nallowed_origins = https://pages.our-company.example\n"
        "[backend:big-box-cellar]\nurl = http://gpu-box.example.net/v1\napi_key = {key}\n"
        "proxy = http://gateway.our-company.example:3128\n"
        "[model:coder-with-a-name]\nname = zai-org/GLM-4.5-Air-FP8\n"
        "[route:default]\nmodels = coder-with-a-name\n"
    )

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "big-box-cellar",
                "coder-with-a-name",
                "zai-org/GLM-4.5-Air-FP8",
                "GLM-4.5-Air-FP8",
                "gpu-box.example.net",
            ),
            *("bridge.our-company.example", "BIG-BOX-CELLAR", "claude-bridge", "input_tokens", "context_window"),
            *("first_byte_timeout", "pages.our-company.example", "gateway.our-company.example"),
        ],
    )
    def test_names(self, name: str) -> None:
        """A name of the file or of a field stays readable, also where it is a key as well; the start says so."""
        text = self.FILE.format(key=name)
        config = config_of(text)
        assert hidden.redactor(config)(f"the name {name} stands here") == f"the name {name} stands here"
        if len(name) >= 12:
            said = "is a name in this file too, so it can be seen in the log and in errors"
            assert told(text) == [f"[backend:big-box-cellar] api_key: {said}"]


class DoubtfulTests:
    """What the start warns of."""

    def test_good_keys(self) -> None:
        """A key that is one is no reason to say anything."""
        for key in (KEY, "sk-9f8e7d6c5b4a3210", "hf_AbCdEfGhIjKl", "0123456789abcdef0123456789abcdef"):
            assert of_key(key) == []

    @pytest.mark.parametrize(
        "word",
        [
            *("ollama", "none", "dummy", "EMPTY", "sk-xxx", "sk-xxxxxxxxxxxxxxxxxxxx", "xxx", "changeme", "lm-studio"),
            *("your-api-key-here", "YOUR_API_KEY", "<your-api-key>", "not-needed", "no-key", "sk-1234", "sk-dummy"),
        ],
    )
    def test_placeholders(self, word: str) -> None:
        """A word that stands in examples is called a placeholder: it is used as it is."""
        (said,) = of_key(word)
        assert said.startswith("[backend:box] api_key: looks like a placeholder")
        assert word not in said.removeprefix("[backend:box] api_key: looks like a placeholder")

    def test_short(self) -> None:
        """A key of less than twelve characters cannot be hidden."""
        assert of_key("k9f8e7d6c5b") == [
            "[backend:box] api_key: has less than 12 characters, so it can be seen in the log and in errors"
        ]
        assert of_key("k9f8e7d6c5b4") == []

    def test_short_keys_of_clients(self) -> None:
        """A client's key that is so short can be guessed besides."""
        text = "[server]\ncredentials = keys\n[key:me]\nsecret = "
        short, better = (
            "has less than 16 characters, which can be guessed",
            ": `claude-bridge key new` makes a better one",
        )
        (said,) = told(f"{text}k9f8e7d6c5b\n")
        assert said == f"[key:me] secret: {short}; and it is not hidden in the log{better}"
        assert told(f"{text}k9f8e7d6c5b4a32\n") == [f"[key:me] secret: {short}{better}"]
        assert told(f"{text}k9f8e7d6c5b4a321\n") == []

    def test_hashes(self) -> None:
        """A hash is no credential: whoever knows it can send nothing with it, so it may be seen."""
        config = config_of(f"[server]\ncredentials = keys\n[key:me]\nhash = {hash_of('k9f8e7d6c5b4a321')}\n")
        assert list(hidden.credentials(config)) == []

    def test_headers(self) -> None:
        """Headers that carry a credential are looked at, by their names; the value is never shown."""
        said = told("[backend:b]\nheaders =\n  X-Title: short\n  X-My-Secret: k9f8e7d\n")
        assert said == [
            "[backend:b] X-My-Secret: has less than 12 characters, so it can be seen in the log and in errors"
        ]

    def test_from_the_environment(self) -> None:
        """A key that a variable gave is named by that variable."""
        config = config_of("", {"BACKEND_API_KEY": "ollama"})
        (said,) = map(str, hidden.not_hidden(config, {}))
        assert said.startswith("[environment] BACKEND_API_KEY: looks like a placeholder")

    def test_nothing_configured(self) -> None:
        """Without a key there is nothing to say."""
        assert told("") == []


class RenewTests:
    """Another configuration."""

    def test_renewed(self) -> None:
        """A redactor takes what is to be hidden of another configuration, and what is not."""
        redact = hidden.redactor(config_of("[backend:b]\napi_key = key-of-backend-b\n"))
        hidden.renew(redact, config_of("[backend:other-backend]\napi_key = key-of-another-one\n"))
        assert redact("key-of-backend-b key-of-another-one other-backend") == "*** *** other-backend"
