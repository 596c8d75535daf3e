"""Tests for `claude_bridge.core.web_search.engines`; shapes are those of the engines' documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.engines import (
    BRAVE,
    SEARXNG,
    TAVILY,
    EngineRequest,
    SearchUnavailable,
    entries,
    text,
    with_query,
)
from claude_bridge.core.web_search.tool import SearchQuestion


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


SEARXNG_ANSWER = {
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


class SearXNGAskTests:
    """The question."""

    def test_plain(self) -> None:
        """The JSON form is asked for, with sites in the words of search engines."""
        asked = SEARXNG.build_request("http://127.0.0.1:8888/s", None, SearchQuestion("rain in May", ("a.example",)), 8)
        assert asked.url == "http://127.0.0.1:8888/s/search?q=rain%20in%20May%20site%3Aa.example&format=json"
        assert (asked.method, asked.headers, asked.body) == ("GET", (), b"")

    def test_bearer(self) -> None:
        """A key goes along for the proxy in front."""
        assert SEARXNG.build_request("http://x", "k", SearchQuestion("q"), 8).headers == (
            ("Authorization", "Bearer k"),
        )

    def test_home(self) -> None:
        """It is the owner's server: no address is known beforehand, and it may be private."""
        assert (SEARXNG.name, SEARXNG.default_url, SEARXNG.hosted) == ("searxng", "", False)


class SearXNGReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, excerpt and date of each result; an engine that did not answer does no harm."""
        assert list(SEARXNG.parse_results(SEARXNG_ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains.", "2026-05-03T00:00:00"),
            SearchHit("B", "https://b.example/"),
        ]

    def test_nothing_found(self) -> None:
        """Nothing found is an answer."""
        assert list(SEARXNG.parse_results({"results": [], "unresponsive_engines": []})) == []

    @pytest.mark.parametrize(
        "answer", [{}, [], None, {"results": {}}, {"results": [], "unresponsive_engines": [["a", "b"]]}]
    )
    def test_no_search(self, answer: Any) -> None:
        """No engine that answered, or no results at all, is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(SEARXNG.parse_results(answer))


BRAVE_ANSWER = {
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


class BraveAskTests:
    """The question."""

    def test_headers(self) -> None:
        """The key goes into Brave's own header, the number of results and no marks into the query."""
        asked = BRAVE.build_request("https://api.search.brave.com", "k", SearchQuestion("rain", (), ("x.example",)), 8)
        assert asked.url == (
            "https://api.search.brave.com/res/v1/web/search?q=rain%20-site%3Ax.example&count=8&text_decorations=false"
        )
        assert asked.headers == (("X-Subscription-Token", "k"),)

    def test_home(self) -> None:
        """It is a public service at a known address."""
        assert (BRAVE.name, BRAVE.default_url, BRAVE.hosted) == ("brave", "https://api.search.brave.com", True)


class BraveReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, description and age of each page."""
        assert list(BRAVE.parse_results(BRAVE_ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains.", "2026-05-03T10:00:00"),
            SearchHit("B", "https://b.example/", "b", "2 days ago"),
        ]

    def test_nothing_found(self) -> None:
        """A search without pages is an answer."""
        assert list(BRAVE.parse_results({"type": "search", "query": {"original": "x"}})) == []

    @pytest.mark.parametrize("answer", [{}, None, [], {"type": "ErrorResponse", "error": {"code": "X"}}])
    def test_no_search(self, answer: Any) -> None:
        """Another kind of answer is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(BRAVE.parse_results(answer))


TAVILY_ANSWER = {
    "query": "rain",
    "answer": None,
    "images": [],
    "results": [
        {"title": "Rain", "url": "https://weather.example/", "content": "It rains.", "score": 0.8, "raw_content": None},
        {"title": "B", "url": "https://b.example/", "content": "b", "published_date": "Sun, 03 May 2026 10:00:00 GMT"},
    ],
    "response_time": 1.2,
}


class TavilyAskTests:
    """The question."""

    def test_body(self) -> None:
        """The question is posted as JSON with a bearer."""
        asked = TAVILY.build_request("https://api.tavily.com", "k", SearchQuestion("rain"), 8)
        assert (asked.method, asked.url) == ("POST", "https://api.tavily.com/search")
        assert asked.headers == (("Content-Type", "application/json"), ("Authorization", "Bearer k"))
        assert json.loads(asked.body) == {"query": "rain", "max_results": 8, "search_depth": "basic"}

    def test_domains(self) -> None:
        """Domains have fields of their own; a blocked path does not block the whole site."""
        question = SearchQuestion("q", ("a.example/x", "a.example/y", "b.example"), ("c.example/z", "d.example"))
        asked = json.loads(TAVILY.build_request("https://x", None, question, 8).body)
        assert (asked["include_domains"], asked["exclude_domains"]) == (["a.example", "b.example"], ["d.example"])

    def test_home(self) -> None:
        """It is a public service at a known address."""
        assert (TAVILY.name, TAVILY.default_url, TAVILY.hosted) == ("tavily", "https://api.tavily.com", True)


class TavilyReadTests:
    """The answer."""

    def test_results(self) -> None:
        """Title, address, content and date of each page."""
        assert list(TAVILY.parse_results(TAVILY_ANSWER)) == [
            SearchHit("Rain", "https://weather.example/", "It rains."),
            SearchHit("B", "https://b.example/", "b", "Sun, 03 May 2026 10:00:00 GMT"),
        ]

    @pytest.mark.parametrize("answer", [{}, None, [], {"detail": {"error": "Unauthorized"}}])
    def test_no_search(self, answer: Any) -> None:
        """Another kind of answer is not taken for nothing found."""
        with pytest.raises(SearchUnavailable):
            list(TAVILY.parse_results(answer))
