"""Search engines: how the request for each is built, and how its response is parsed. Nothing is sent here.

All that is specific to an engine is in its class; each follows the engine's own documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from attrs import field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion


class SearchUnavailable(Exception):
    """The engine responded, but could not search; its message says why."""


@frozen(kw_only=True)
class EngineRequest:
    """One HTTP request to an engine."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # the key is among them
    body: bytes = field(default=b"", repr=False)


class Engine(Protocol):
    """One kind of search engine, without I/O."""

    @property
    def name(self) -> str:
        """Return its name as in ``engine = NAME``."""

    @property
    def hosted(self) -> bool:
        """Whether it is a public service, so that its address must be public too."""

    @property
    def default_url(self) -> str:
        """Return its base URL, or "" if it is the owner's own server."""

    def build_request(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Return the request for a search; ``url`` is the base URL."""

    def parse_results(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Yield the results in a decoded response, not yet cleaned; entries that are not results are left out.

        Raises `SearchUnavailable` if the response itself says that there was no search.
        """


@frozen
class SearXNG:
    """SearXNG, a server of the owner's that queries many engines: ``/search``.

    ``settings.yml`` must have ``json`` among ``search.formats``, else it answers 403. The number of results cannot be
    chosen. A bearer token is for a proxy in front of it.
    """

    name: str = "searxng"
    hosted: bool = False
    default_url: str = ""

    def build_request(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:  # noqa: ARG002 - the seam
        """Return the request for a search; sites are given as operators, which most of its engines know."""
        bearer = (("Authorization", f"Bearer {key}"),) if key is not None else ()
        return EngineRequest(url=with_query(url, "/search", q=question.with_sites(), format="json"), headers=bearer)

    def parse_results(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Yield ``results``. If there are none because its engines did not respond, that is an error."""
        if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
            raise SearchUnavailable("its answer has no results")
        if not answer["results"] and answer.get("unresponsive_engines"):
            raise SearchUnavailable("none of its engines answered")
        for entry in entries(answer, "results"):
            yield SearchHit(
                text(entry, "title"), text(entry, "url"), text(entry, "content"), text(entry, "publishedDate") or None
            )


@frozen
class Brave:
    """Brave Search, its Web Search API: ``/res/v1/web/search``; operators for sites are part of its query language."""

    name: str = "brave"
    hosted: bool = True
    default_url: str = "https://api.search.brave.com"

    def build_request(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Return the request for a search, for excerpts without highlighting of the words that were found."""
        fields = {"q": question.with_sites(), "count": str(count), "text_decorations": "false"}
        token = (("X-Subscription-Token", key),) if key is not None else ()
        return EngineRequest(url=with_query(url, "/res/v1/web/search", **fields), headers=token)

    def parse_results(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Yield ``web.results``; after a search without results there is no ``web``."""
        if not isinstance(answer, dict) or answer.get("type") != "search":
            raise SearchUnavailable("its answer is no search response")
        for entry in entries(answer, "web", "results"):
            yield SearchHit(
                text(entry, "title"),
                text(entry, "url"),
                text(entry, "description"),
                text(entry, "page_age", "age") or None,
            )


@frozen
class Tavily:
    """Tavily, a search service for models: ``/search``. Sites have fields of their own; it knows no operators."""

    name: str = "tavily"
    hosted: bool = True
    default_url: str = "https://api.tavily.com"

    def build_request(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Return the request for a search; of sites only the hosts, as it does not know paths."""
        fields: dict[str, object] = {"query": question.text, "max_results": count, "search_depth": "basic"}
        if question.allowed_domains:
            fields["include_domains"] = _hosts(question.allowed_domains)
        blocked = [domain for domain in question.blocked_domains if "/" not in domain]
        if blocked:
            fields["exclude_domains"] = _hosts(blocked)
        bearer = (("Authorization", f"Bearer {key}"),) if key is not None else ()
        headers = (("Content-Type", "application/json"), *bearer)
        return EngineRequest(url=f"{url}/search", method="POST", headers=headers, body=strict_json.encode(fields))

    def parse_results(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Yield ``results``."""
        if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
            raise SearchUnavailable("its answer has no results")
        for entry in entries(answer, "results"):
            yield SearchHit(
                text(entry, "title"), text(entry, "url"), text(entry, "content"), text(entry, "published_date") or None
            )


def _hosts(domains: tuple[str, ...] | list[str]) -> list[str]:
    return list(dict.fromkeys(domain.partition("/")[0] for domain in domains))


SEARXNG: Final = SearXNG()
BRAVE: Final = Brave()
TAVILY: Final = Tavily()

ENGINES: Final[Mapping[str, Engine]] = {engine.name: engine for engine in (SEARXNG, BRAVE, TAVILY)}


def with_query(url: str, path: str, **fields: str) -> str:
    """Return the URL of ``path`` below ``url`` with a query."""
    return f"{url}{path}?{urlencode(fields, quote_via=quote)}"


def entries(answer: Any, *path: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - decoded JSON
    """Yield the objects in the list at ``path``; none if there is no such list."""
    for key in path:
        answer = answer.get(key) if isinstance(answer, dict) else None
    yield from (entry for entry in answer if isinstance(entry, dict)) if isinstance(answer, list) else ()


def text(entry: dict[str, Any], *keys: str) -> str:
    """Return the first non-empty text under one of ``keys``, or ""."""
    return next((value for key in keys if isinstance(value := entry.get(key), str) and value), "")
