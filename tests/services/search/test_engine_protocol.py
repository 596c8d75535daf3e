"""Tests for `claude_bridge.services.search.engine_protocol`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.services.search.engine_protocol import EngineRequest, entries, text, with_query


class AskedTests:
    """A request to an engine."""

    def test_key_is_not_shown(self) -> None:
        """Neither the key nor the question of a person is shown where a request is."""
        shown = repr(
            EngineRequest(url="https://x", headers=(("Authorization", "Bearer sk-1"),), body=b"secret question")
        )
        assert "sk-1" not in shown
        assert "secret question" not in shown

    def test_query(self) -> None:
        """Whatever is asked for, it is one field of the query and nothing more."""
        assert with_query("http://x/y", "/search", q="a b&format=html#é", format="json") == (
            "http://x/y/search?q=a%20b%26format%3Dhtml%23%C3%A9&format=json"
        )


class EntriesTests:
    """Answers of any shape."""

    @pytest.mark.parametrize(
        "answer",
        [None, 7, "x", [], {}, {"web": None}, {"web": []}, {"web": {"results": "x"}}, {"web": {"results": [7]}}],
    )
    def test_nothing(self, answer: Any) -> None:
        """What is not a list of objects where it should be is no result."""
        assert list(entries(answer, "web", "results")) == []

    def test_objects(self) -> None:
        """Objects are taken, other things among them are not."""
        assert list(entries({"web": {"results": [{"a": 1}, None, {"b": 2}]}}, "web", "results")) == [{"a": 1}, {"b": 2}]

    def test_text(self) -> None:
        """The first text that says something counts."""
        assert text({"a": None, "b": "", "c": 7, "d": "x"}, "a", "b", "c", "d") == "x"
        assert text({}, "a") == ""
