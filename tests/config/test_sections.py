"""Section headers."""

from __future__ import annotations

import pytest

from claude_bridge.config.sections import KINDS, find_kind, unknown_key


class FindKindTests:
    """Headers name a kind and, for some, a NAME."""

    @pytest.mark.parametrize(
        ("header", "word", "name"),
        [
            ("server", "server", ""),
            ("backend:chutes", "backend", "chutes"),
            ("model:zai-org/GLM-4.5:free", "model", "zai-org/GLM-4.5:free"),
            ("model:glm[1m]", "model", "glm[1m]"),
            ("route:default", "route", "default"),
            ("price:chutes/zai-org/GLM-4.5-Air", "price", "chutes/zai-org/GLM-4.5-Air"),
            ("key:alice", "key", "alice"),
            ("web_search", "web_search", ""),
        ],
    )
    def test_known(self, header: str, word: str, name: str) -> None:
        """What the documentation shows is found."""
        kind, found = find_kind(header)

        assert (kind.word, found) == (word, name)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("DEFAULT", "defaults for all sections are not supported"),
            ("bakend:x", r"did you mean \[backend:x\]"),
            ("Model:glm", r"did you mean \[model:glm\]"),
            ("Model", r"did you mean \[model:NAME\]"),
            ("zzz:backend", "valid: backend, breaker"),
            ("Server", r"did you mean \[server\]"),
            ("backend", r"did you mean \[backend:NAME\]"),
            ("websearch", r"did you mean \[web_search\]"),
            ("server:x", r"did you mean \[server\]"),
            ("route", r"did you mean \[route:NAME\]"),
            ("backend:", "the NAME must"),
            ("backend:a b", "the NAME must"),
            ("backend:a/b", "the NAME must"),
            ("model:", "must not be empty"),
            ("model:a b", "must not be empty or contain a space"),
            ("model:glm@claude-bridge", "must not end in @claude-bridge"),
            ("route:a b", "the NAME must"),
            ("key:a b", "the NAME must"),
            ("key:client", "the accounts use this NAME for clients whose own credential is passed on: choose another"),
            ("price:", "must not be empty"),
            ("price", r"did you mean \[price:NAME\]"),
            ("pricing:glm", r"did you mean \[price:glm\]"),
            ("admin", "this version has no such section: GET /health"),
            ("provider:chutes", r"did you mean \[backend:chutes\]"),
            ("model_list", r"did you mean \[model:NAME\]"),
            ("Router", r"did you mean \[route:NAME\]"),
            ("general_settings", r"did you mean \[server\]"),
            ("", "unknown section"),
        ],
    )
    def test_unknown(self, header: str, message: str) -> None:
        """Anything else is refused with what was probably meant."""
        with pytest.raises(ValueError, match=message):
            find_kind(header)


class UnknownKeyTests:
    """A key that a section does not have."""

    @pytest.mark.parametrize(
        ("section", "word", "told"),
        [
            ("backend", "base_url", "unknown key, did you mean url?"),
            ("backend", "api_base", "unknown key, did you mean url?"),
            ("backend", "api_base_url", "unknown key, did you mean url?"),
            ("backend", "baseurl", "unknown key, did you mean url?"),
            ("backend", "apikey", "unknown key, did you mean api_key?"),
            ("backend", "timeout", "unknown key, did you mean first_byte_timeout?"),
            ("model", "model", "unknown key, did you mean name?"),
            ("model", "models", "unknown key, did you mean name?"),
            ("model", "ctx", "unknown key, did you mean context_window?"),
            ("model", "num_ctx", "unknown key, did you mean context_window?"),
            ("model", "context-length", "unknown key, did you mean context_window?"),
            ("model", "max_model_len", "unknown key, did you mean context_window?"),
            ("model", "max_tokens", "unknown key, did you mean max_output_tokens?"),
            ("server", "port", "unknown key, did you mean listen?"),
            ("server", "host", "unknown key, did you mean listen?"),
            ("route", "model", "unknown key, did you mean models?"),
            ("key", "api_key", "unknown key, did you mean secret?"),
            ("backend", "ulr", "unknown key, did you mean url?"),
        ],
    )
    def test_word_of_another_tool(self, section: str, word: str, told: str) -> None:
        """What other tools call it is understood, and a typing mistake still is."""
        assert unknown_key(word, KINDS[section]) == told

    @pytest.mark.parametrize(
        ("section", "word", "told"),
        [
            ("backend", "context_window", "context_window in [model:NAME]?"),
            ("backend", "max_tokens", "max_output_tokens in [model:NAME]?"),
            ("backend", "model", "name in [model:NAME] or models in [route:NAME] or models in [key:NAME]?"),
            ("model", "base_url", "url in [backend:NAME] or url in [web_search]?"),
            ("server", "log_level", "level in [log]?"),
        ],
    )
    def test_another_section(self, section: str, word: str, told: str) -> None:
        """A key that belongs into another section is sent there."""
        assert unknown_key(word, KINDS[section]) == f"unknown key, did you mean {told}"


class KeysTests:
    """The keys are those of the schema."""

    def test_names_are_no_keys(self) -> None:
        """The NAME of a section cannot be set by a key, but a model's name at its backend can."""
        keys = {word: [key.name for key in kind.keys] for word, kind in KINDS.items()}

        assert "name" not in keys["backend"]
        assert "alias" not in keys["model"]
        assert "name" in keys["model"]
        assert keys["route"] == ["models", "match", "when", "patience", "max_attempts", "max_wait"]
        assert keys["key"] == ["secret", "hash", "models", "routes", "rpm", "tpm", "max_streams"]
