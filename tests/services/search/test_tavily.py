"""Tests for `claude_bridge.services.search.tavily`; shapes are those of Tavily's API reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.config.secret import Secret
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.search.engine_protocol import SearchUnavailable
from claude_bridge.services.search.tavily import TAVILY

ANSWER = {
    "query": "rain",
    "answer": None,
    "images": [],
    "results": [
        {"title": "Rain", "url": "https://weather.example/", "content": "It rains.", "score": 0.8, "raw_content": None},
        {"title": "B", "url": "https://b.example/", "content": "b", "published_date": "Sun, 03 May 2026 10:00:00 GMT"},
    ],
    "response_time": 1.2,
}


class AskTests:
    """The question."""

    def test_body(self) -> None:
        """The question is posted as JSON with a bearer."""
        asked = TAVILY.ask("https://api.tavily.com", Secret("k"), SearchQuestion("rain"), 8)
        assert (asked.method, asked.url) == ("POST", "https://api.tavily.com/search")
        assert asked.headers == (("Content-Type", "application/json"), ("Authorization", "Bearer k"))
        assert json.loads(asked.body) == {"query": "rain", "max_results": 8, "search_depth": "basic"}

    def test_domains(self) -> None:
        """Domains have fields of their own; a blocked path does not block the whole site."""
        question = SearchQuestion("q", ("a.example/x", "a.example/y", "b.example"), ("c.example/z", "d.example"))
        asked = json.loads(TAVILY.ask("https://x", None, question, 8).body)
        assert (asked["include_domains"], asked["exclude_domains"]) == (["a.example", "b.example"], ["d.example"])

    def test_home(self) -> None:
        """It is a public service at a known address."""
        assert (TAVILY.name, TAVILY.default_url, TAVILY.hosted) == ("tavily", "https://api.tavily.com", True)


class ReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, content and date of each page."""
        assert list(TAVILY.read(ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains."),
            SearchHit("B", "https://b.example/", "b", "Sun, 03 May 2026 10:00:00 GMT"),
        ]

    @pytest.mark.parametrize("answer", [{}, None, [], {"detail": {"error": "Unauthorized"}}])
    def test_no_search(self, answer: Any) -> None:
        """Another kind of answer is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(TAVILY.read(answer))
