"""SearXNG: a server of the owner's, that asks many engines (its documentation: Search API).

``settings.yml`` must have ``json`` among ``search.formats``, else it answers 403.
"""

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
class SearXNG:
    """Asks ``/search``. It takes no number of results; a bearer is for a proxy in front of it."""

    name: str = "searxng"
    hosted: bool = False
    default_url: str = ""

    def ask(self, url: str, key: Secret | None, question: SearchQuestion, count: int) -> EngineRequest:  # noqa: ARG002 - the seam
        """Put the question; sites are operators in it, which its engines mostly know."""
        bearer = (("Authorization", f"Bearer {key.reveal()}"),) if key is not None else ()
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


SEARXNG: Final[Engine] = SearXNG()
