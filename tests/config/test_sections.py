"""Section headers."""

from __future__ import annotations

import pytest

from claude_bridge.config.sections import KINDS, find_kind


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
            ("DEFAULT", "no defaults for all sections"),
            ("bakend:x", r"did you mean \[backend:x\]"),
            ("Model:glm", r"did you mean \[model:glm\]"),
            ("Model", r"did you mean \[model:NAME\]"),
            ("zzz:backend", "valid: backend, breaker"),
            ("Server", r"did you mean \[server\]"),
            ("backend", r"did you mean \[backend:NAME\]"),
            ("websearch", r"did you mean \[web_search\]"),
            ("server:x", r"did you mean \[server\]"),
            ("route", r"did you mean \[route:default\]"),
            ("backend:", "the NAME must"),
            ("backend:a b", "the NAME must"),
            ("backend:a/b", "the NAME must"),
            ("model:", "must not be empty"),
            ("model:a b", "must not be empty or hold a space"),
            ("model:glm@claude-bridge", "must not end in @claude-bridge"),
            ("route:fast", r"the only route today is \[route:default\]"),
            ("", "unknown section"),
        ],
    )
    def test_unknown(self, header: str, message: str) -> None:
        """Anything else is refused with what was probably meant."""
        with pytest.raises(ValueError, match=message):
            find_kind(header)


class KeysTests:
    """The keys are those of the schema."""

    def test_names_are_no_keys(self) -> None:
        """The NAME of a section cannot be set by a key, but a model's name at its backend can."""
        keys = {word: [key.name for key in kind.keys] for word, kind in KINDS.items()}

        assert "name" not in keys["backend"]
        assert "alias" not in keys["model"]
        assert "name" in keys["model"]
        assert keys["route"] == ["models"]
        assert keys["key"] == ["secret"]
