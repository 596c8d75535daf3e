"""Quotes around a value."""

from __future__ import annotations

import pytest

from claude_bridge.config.quotes import OFF, quoted
from tests.config.files import mistakes


class QuotedTests:
    """What counts as a value in quotes."""

    @pytest.mark.parametrize("text", ['"a"', "'a b'", "`a`", "\u201ca\u201d", "\u2018a\u2019", '""'])
    def test_quoted(self, text: str) -> None:
        """Every kind of quotes is known, also those that a web page makes of straight ones."""
        assert quoted(text)

    @pytest.mark.parametrize("text", ["", "a", '"', "\"a'", '"a" b', 'a "b"', '"a", "b"', '"a"b"'])
    def test_not_quoted(self, text: str) -> None:
        """Quotes that stand for themselves, or around parts, are no quotes around the value."""
        assert not quoted(text)


class MistakeTests:
    """A value that is wrong because of its quotes."""

    @pytest.mark.parametrize(
        ("section", "line"),
        [
            ("backend:b", 'url = "http://127.0.0.1:8000/v1"'),
            ("backend:b", "dialect = 'vllm'"),
            ("backend:b", 'headers = "X-Title: mine"'),
            ("backend:b", 'api_key = "two words"'),
            ("server", 'listen = "tcp:8080:interface=127.0.0.1"'),
            ("server", 'list_backend_models = "yes"'),
            ("server", 'allowed_hosts = "bridge"'),
            ("limits", 'max_body = "32M"'),
            ("log", "level = `info`"),
            ("model:m", 'context_window = "131072"'),
            ("model:m", 'reasoning_levels = "low"'),
        ],
    )
    def test_every_kind_of_value(self, section: str, line: str) -> None:
        """Whatever the key, the quotes are blamed and nothing that only follows from them."""
        key = line.partition(" ")[0]
        assert mistakes(f"[{section}]\n{line}\n") == [f"[{section}] {key}: {OFF}"]

    def test_each_entry(self) -> None:
        """In a list the entry is told by its number, and a word of several in one line is found too."""
        assert mistakes('[server]\nallowed_hosts =\n  a\n  "b"\n') == [f"[server] allowed_hosts: entry 2: {OFF}"]
        assert mistakes('[model:m]\nreasoning_levels = "low", "high"\n') == [f"[model:m] reasoning_levels: {OFF}"]

    def test_variables(self) -> None:
        """Variables too: a container's env file keeps quotes as they are."""
        assert mistakes("", {"BACKEND_URL": '"http://x/v1"', "LOG_LEVEL": "'info'"}) == [
            f"[environment] BACKEND_URL: {OFF}",
            f"[environment] LOG_LEVEL: {OFF}",
        ]
        assert mistakes("[backend:b]\nurl = ${U}\n", {"U": '"http://x/v1"'}) == [f"[backend:b] url: {OFF}"]

    def test_other_mistakes_stay(self) -> None:
        """A mistake inside the quotes that has nothing to do with them is still told."""
        (line,) = mistakes('[backend:b]\nurl = "${NOPE}"\n')
        assert "NOPE is not set" in line
