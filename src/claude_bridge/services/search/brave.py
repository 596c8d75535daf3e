"""Brave Search: the Web Search API (its documentation: Web Search API, query parameters and response objects)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from claude_bridge.config.secret import Secret
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.search.engine_protocol import (
    Engine,
    EngineRequest,
    SearchUnavailable,
    entries,
    text,
    with_query,
)


@frozen
class Brave:
    """Asks ``/res/v1/web/search``; operators for sites are part of its query language."""

    name: str = "brave"
    hosted: bool = True
    default_url: str = "https://api.search.brave.com"

    def ask(self, url: str, key: Secret | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put the question, and ask for text without marks around the words that were found."""
        fields = {"q": question.with_sites(), "count": str(count), "text_decorations": "false"}
        token = (("X-Subscription-Token", key.reveal()),) if key is not None else ()
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


BRAVE: Final[Engine] = Brave()
