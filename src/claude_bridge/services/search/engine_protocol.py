"""What differs between search engines: how a question is put, and where an answer has its results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from attrs import field, frozen

from claude_bridge.config.secret import Secret
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

    def ask(self, url: str, key: Secret | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put a question; ``url`` is the base."""

    def read(self, answer: Any) -> Iterator[SearchHit]:  # noqa: ANN401 - decoded JSON
        """Return the results of a decoded answer, as raw as they are; what does not look like one is left out.

        Raises `SearchUnavailable` where the answer itself says that there was no search.
        """


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
