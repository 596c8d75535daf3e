"""Tests for `claude_bridge.core.web_search.tool`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.messages_api.anthropic_types import Tool
from claude_bridge.core.web_search.tool import (
    DEFAULT_USES,
    MAX_QUERY_CHARACTERS,
    MAX_USES,
    SearchQuestion,
    SearchTool,
    is_search,
    search_tool,
)
from tests.core.asking import asked, tool, user

TYPED = {"type": "web_search_20250305", "name": "web_search"}


def found(*tools: dict[str, Any]) -> SearchTool | None:
    """Find the search tool of a request."""
    return search_tool(asked(user("hi"), tools=list(tools)).tools)


def typed(**fields: Any) -> SearchTool:
    """Find what the typed tool says."""
    search = found({**TYPED, **fields})
    assert search is not None
    return search


def in_request(one: dict[str, Any]) -> Tool:
    """Decode a tool."""
    return (asked(user("hi"), tools=[one]).tools or [])[0]


class FindTests:
    """Which tool of a request is the web search."""

    def test_claude_code(self) -> None:
        """The tool that Claude Code sends is found with its limit, and later dates of it too."""
        assert typed(max_uses=8) == SearchTool(max_uses=8)
        assert found({"type": "web_search_20300101", "name": "web_search"}) == SearchTool(max_uses=DEFAULT_USES)

    def test_none(self) -> None:
        """No tools, a client's own tool, or one under another name are no search of ours."""
        assert search_tool(None) is None
        assert found() is None
        assert found(tool("web_search")) is None
        assert found({"type": "web_search_20250305", "name": "other"}) is None

    def test_ambiguous(self) -> None:
        """A client with a tool of its own under that name gets its own calls: nothing is taken from it."""
        assert found(TYPED, tool("web_search")) is None
        assert found(TYPED, TYPED) is None

    @pytest.mark.parametrize(
        ("uses", "expected"),
        [
            (1, 1),
            (10, 10),
            (11, MAX_USES),
            (10**30, MAX_USES),
            (0, 5),
            (-1, 5),
            (None, 5),
            (True, 5),
            ("8", 5),
            ([], 5),
        ],
    )
    def test_uses(self, uses: object, expected: int) -> None:
        """The limit is the client's as far as there is sense in it, and never above ten."""
        assert typed(max_uses=uses).max_uses == expected

    def test_restrictions(self) -> None:
        """Domains and the user's place are read; what is none of these is left out and nobody is refused for it."""
        search = typed(
            allowed_domains=["Example.com", "https://docs.python.org/3", 7, "", "a b", "x" * 600],
            blocked_domains="none",
            user_location={"type": "approximate", "city": "Berlin", "region": None, "country": "DE", "timezone": 3},
        )
        assert search.allowed_domains == ("example.com", "docs.python.org/3")
        assert search.blocked_domains == ()
        assert search.place == "Berlin, DE"

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
    def test_anything(self, value: object) -> None:
        """Fields of any type do no harm."""
        search = typed(max_uses=value, allowed_domains=value, blocked_domains=value, user_location=value)
        assert 1 <= search.max_uses <= MAX_USES

    def test_bounded(self) -> None:
        """Neither many domains nor a huge field takes more than a little."""
        assert len(typed(allowed_domains=[f"d{number}.example" for number in range(1000)]).allowed_domains) == 100
        assert typed(allowed_domains=["x" * 500] * 1000).allowed_domains == ()

    def test_other_tools(self) -> None:
        """A custom tool whose own field has such a name is nobody's business."""
        assert found(TYPED, tool("a", max_uses={"x": 1}, allowed_domains=3)) == SearchTool()


class OfferedTests:
    """What the model gets instead."""

    def test_function(self) -> None:
        """The model is offered a function with a query, and told what holds."""
        search = typed(max_uses=2, allowed_domains=["a.example"], user_location={"city": "Oslo"})
        given = in_request({**TYPED, "defer_loading": True})
        offered = search.offered(given)
        assert (offered.name, offered.type, offered.defer_loading) == ("web_search", None, True)
        assert json.loads(bytes(offered.input_schema))["required"] == ["query"]
        for told in ("At most 2 searches", "a.example", "Oslo"):
            assert told in (offered.description or "")
        assert is_search(given)
        assert not is_search(offered)

    def test_many_domains(self) -> None:
        """A long list of sites does not fill the prompt."""
        search = SearchTool(blocked_domains=tuple(f"d{number}.example" for number in range(100)))
        given = in_request(TYPED)
        assert "and 80 more" in (search.offered(given).description or "")


class QuestionTests:
    """What an engine is asked, and which results count."""

    @pytest.mark.parametrize(
        ("domain", "url", "covered"),
        [
            ("example.com", "https://example.com/a", True),
            ("example.com", "http://EXAMPLE.com:8080", True),
            ("example.com", "https://docs.example.com", True),
            ("example.com", "https://example.com./", True),
            ("example.com", "https://notexample.com", False),
            ("example.com", "https://example.com.evil.example", False),
            ("example.com", "https://user@evil.example/example.com", False),
            ("docs.example.com", "https://example.com", False),
            ("example.com/blog", "https://example.com/blog/1", True),
            ("example.com/blog", "https://example.com/shop", False),
            ("example.com/*/news", "https://example.com/en/news/1", True),
            ("example.com/*/news", "https://example.com/en/shop", False),
            ("example.com", "https://[::1", False),
            ("example.com", "", False),
        ],
    )
    def test_domains(self, domain: str, url: str, covered: bool) -> None:
        """A domain means itself, its subdomains, and the beginning of a path where it has one."""
        assert SearchQuestion("q", allowed_domains=(domain,)).allows(url) is covered
        if url.startswith("http") and "[" not in url:
            assert SearchQuestion("q", blocked_domains=(domain,)).allows(url) is not covered

    def test_free(self) -> None:
        """Without restrictions every page that has a host counts."""
        assert SearchQuestion("q").allows("https://e.org/")
        assert not SearchQuestion("q").allows("nothing")

    def test_sites(self) -> None:
        """Engines are asked for the sites in their own words, unless that makes the question too long for them."""
        assert SearchQuestion("q").with_sites() == "q"
        assert SearchQuestion("q", ("a.example", "b.example")).with_sites() == "q site:a.example OR site:b.example"
        assert SearchQuestion("q", (), ("c.example", "d.example")).with_sites() == "q -site:c.example -site:d.example"
        many = SearchQuestion("q", tuple(f"domain-{number}.example" for number in range(50)))
        assert many.with_sites() == "q"
        assert len(SearchQuestion("q" * MAX_QUERY_CHARACTERS, ("a.example",)).with_sites()) == MAX_QUERY_CHARACTERS
