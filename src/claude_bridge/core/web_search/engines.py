"""Search engines: how a question is put to each, and where its answer has the results.

All that is known of an engine is in its class here; each follows the engine's own documentation.
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
    """The engine answered, but could not search; says why."""


@frozen(kw_only=True)
class EngineRequest:
    """One HTTP request to an engine."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # the key is among them
    body: bytes = field(default=b"", repr=False)


class Engine(Protocol):
    """One kind of search engine; pure."""

    @property
    def name(self) -> str:
        """Name it as in ``engine = NAME``."""

    @property
    def hosted(self) -> bool:
        """Whether it is a public service, so that its address must be public too."""

    @property
    def default_url(self) -> str:
        """Its base URL, or "" where only the owner knows it."""

    def ask(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put a question; ``url`` is the base."""

    def read(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Return the results of a decoded answer, as raw as they are; what does not look like one is left out.

        Raises `SearchUnavailable` where the answer itself says that there was no search.
        """


@frozen
class SearXNG:
    """A server of the owner's, that asks many engines: ``/search``.

    ``settings.yml`` must have ``json`` among ``search.formats``, else it answers 403. It takes no number of results; a
    bearer is for a proxy in front of it.
    """

    name: str = "searxng"
    hosted: bool = False
    default_url: str = ""

    def ask(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:  # noqa: ARG002 - the seam
        """Put the question; sites are operators in it, which its engines mostly know."""
        bearer = (("Authorization", f"Bearer {key}"),) if key is not None else ()
        return EngineRequest(url=with_query(url, "/search", q=question.with_sites(), format="json"), headers=bearer)

    def read(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Read ``results``. No results because its engines did not answer is not the same as nothing found."""
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

    def ask(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put the question, and ask for text without marks around the words that were found."""
        fields = {"q": question.with_sites(), "count": str(count), "text_decorations": "false"}
        token = (("X-Subscription-Token", key),) if key is not None else ()
        return EngineRequest(url=with_query(url, "/res/v1/web/search", **fields), headers=token)

    def read(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Read ``web.results``; a search that found nothing has no ``web``."""
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
    """Search made for models: ``/search``. Sites have fields of their own there; operators are not known."""

    name: str = "tavily"
    hosted: bool = True
    default_url: str = "https://api.tavily.com"

    def ask(self, url: str, key: str | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put the question; hosts only, as paths are not known there."""
        fields: dict[str, object] = {"query": question.text, "max_results": count, "search_depth": "basic"}
        if question.allowed_domains:
            fields["include_domains"] = _hosts(question.allowed_domains)
        blocked = [domain for domain in question.blocked_domains if "/" not in domain]
        if blocked:
            fields["exclude_domains"] = _hosts(blocked)
        bearer = (("Authorization", f"Bearer {key}"),) if key is not None else ()
        headers = (("Content-Type", "application/json"), *bearer)
        return EngineRequest(url=f"{url}/search", method="POST", headers=headers, body=strict_json.encode(fields))

    def read(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Read ``results``."""
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
    """Return a URL below ``url`` with a query."""
    return f"{url}{path}?{urlencode(fields, quote_via=quote)}"


def entries(answer: Any, *path: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - decoded JSON
    """Yield the objects of the list at ``path``; nothing where it is not there."""
    for key in path:
        answer = answer.get(key) if isinstance(answer, dict) else None
    yield from (entry for entry in answer if isinstance(entry, dict)) if isinstance(answer, list) else ()


def text(entry: dict[str, Any], *keys: str) -> str:
    """Return the first of the texts that is there."""
    return next((value for key in keys if isinstance(value := entry.get(key), str) and value), "")
