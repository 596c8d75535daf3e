"""Tests for `claude_bridge.services.search.brave`; shapes are those of Brave's API reference."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.config.secret import Secret
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.search.brave import BRAVE
from claude_bridge.services.search.engine_protocol import SearchUnavailable

ANSWER = {
    "type": "search",
    "query": {"original": "rain", "more_results_available": True},
    "web": {
        "type": "search",
        "results": [
            {
                "type": "search_result",
                "title": "Rain",
                "url": "https://weather.example/",
                "description": "It rains.",
                "age": "May 3, 2026",
                "page_age": "2026-05-03T10:00:00",
                "language": "en",
                "meta_url": {"scheme": "https", "netloc": "weather.example"},
            },
            {
                "type": "search_result",
                "title": "B",
                "url": "https://b.example/",
                "description": "b",
                "age": "2 days ago",
            },
        ],
    },
}


class AskTests:
    """The question."""

    def test_headers(self) -> None:
        """The key goes into Brave's own header, the number of results and no marks into the query."""
        asked = BRAVE.ask("https://api.search.brave.com", Secret("k"), SearchQuestion("rain", (), ("x.example",)), 8)
        assert asked.url == (
            "https://api.search.brave.com/res/v1/web/search?q=rain%20-site%3Ax.example&count=8&text_decorations=false"
        )
        assert asked.headers == (("X-Subscription-Token", "k"),)

    def test_home(self) -> None:
        """It is a public service at a known address."""
        assert (BRAVE.name, BRAVE.default_url, BRAVE.hosted) == ("brave", "https://api.search.brave.com", True)


class ReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, description and age of each page."""
        assert list(BRAVE.read(ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains.", "2026-05-03T10:00:00"),
            SearchHit("B", "https://b.example/", "b", "2 days ago"),
        ]

    def test_nothing_found(self) -> None:
        """A search without pages is an answer."""
        assert list(BRAVE.read({"type": "search", "query": {"original": "x"}})) == []

    @pytest.mark.parametrize("answer", [{}, None, [], {"type": "ErrorResponse", "error": {"code": "X"}}])
    def test_no_search(self, answer: Any) -> None:
        """Another kind of answer is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(BRAVE.read(answer))
