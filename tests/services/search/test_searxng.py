"""Tests for `claude_bridge.services.search.searxng`; shapes are those of SearXNG's documentation and own answers."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.config.secret import Secret
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.search.engine_protocol import SearchUnavailable
from claude_bridge.services.search.searxng import SEARXNG

ANSWER = {
    "query": "rain",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://weather.example/",
            "title": "Rain",
            "content": "It rains.",
            "publishedDate": "2026-05-03T00:00:00",
            "engine": "duckduckgo",
            "parsed_url": ["https", "weather.example", "/", "", "", ""],
            "engines": ["duckduckgo"],
            "positions": [1],
            "score": 1.0,
            "category": "general",
        },
        {"url": "https://b.example/", "title": "B", "content": "", "publishedDate": None},
    ],
    "answers": [],
    "suggestions": [],
    "unresponsive_engines": [["google", "CAPTCHA"]],
}


class AskTests:
    """The question."""

    def test_plain(self) -> None:
        """The JSON form is asked for, with sites in the words of search engines."""
        asked = SEARXNG.ask("http://127.0.0.1:8888/s", None, SearchQuestion("rain in May", ("a.example",)), 8)
        assert asked.url == "http://127.0.0.1:8888/s/search?q=rain%20in%20May%20site%3Aa.example&format=json"
        assert (asked.method, asked.headers, asked.body) == ("GET", (), b"")

    def test_bearer(self) -> None:
        """A key goes along for the proxy in front."""
        assert SEARXNG.ask("http://x", Secret("k"), SearchQuestion("q"), 8).headers == (("Authorization", "Bearer k"),)

    def test_home(self) -> None:
        """It is the owner's server: no address is known beforehand, and it may be private."""
        assert (SEARXNG.name, SEARXNG.default_url, SEARXNG.hosted) == ("searxng", "", False)


class ReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, excerpt and date of each result; an engine that did not answer does no harm."""
        assert list(SEARXNG.read(ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains.", "2026-05-03T00:00:00"),
            SearchHit("B", "https://b.example/"),
        ]

    def test_nothing_found(self) -> None:
        """Nothing found is an answer."""
        assert list(SEARXNG.read({"results": [], "unresponsive_engines": []})) == []

    @pytest.mark.parametrize(
        "answer", [{}, [], None, {"results": {}}, {"results": [], "unresponsive_engines": [["a", "b"]]}]
    )
    def test_no_search(self, answer: Any) -> None:
        """No engine that answered, or no results at all, is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(SEARXNG.read(answer))
