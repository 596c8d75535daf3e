"""Tavily: search made for models (its documentation: Tavily Search endpoint)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from claude_bridge.config.secret import Secret
from claude_bridge.core import strict_json
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.search.engine_protocol import Engine, EngineRequest, SearchUnavailable, entries, text


@frozen
class Tavily:
    """Posts to ``/search``. Sites have fields of their own there: the question is not one for operators."""

    name: str = "tavily"
    hosted: bool = True
    default_url: str = "https://api.tavily.com"

    def ask(self, url: str, key: Secret | None, question: SearchQuestion, count: int) -> EngineRequest:
        """Put the question; hosts only, as paths are not known there."""
        fields: dict[str, object] = {"query": question.text, "max_results": count, "search_depth": "basic"}
        if question.allowed_domains:
            fields["include_domains"] = _hosts(question.allowed_domains)
        blocked = [domain for domain in question.blocked_domains if "/" not in domain]
        if blocked:
            fields["exclude_domains"] = _hosts(blocked)
        bearer = (("Authorization", f"Bearer {key.reveal()}"),) if key is not None else ()
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


TAVILY: Final[Engine] = Tavily()
