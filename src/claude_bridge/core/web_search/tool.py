"""The typed tool ``web_search_*`` of a request: its settings, and the function that the model is offered instead.

docs/messages-api.md 2.2 has its fields. A backend knows no such tool, so it gets a function of the same name, and the
bridge does the searching. Filters by domain are applied in the query, where engines differ in how they honour them, and
again to the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.core import strict_json
from claude_bridge.core.messages_api.anthropic_types import Tool
from claude_bridge.core.messages_api.tool_definitions import WEB_SEARCH

NAME: Final = "web_search"
"""The only name that the API takes for the tool."""

DEFAULT_USES: Final = 5
MAX_USES: Final = 10
"""Searches of one request, each of which sends the whole conversation to the model once more."""

MAX_QUERY_CHARACTERS: Final = 400
"""Characters: Brave and Tavily accept no more, and no useful query is longer."""

MAX_DOMAINS: Final = 100
"""Domains of a filter that are used, and characters of each: a name has 253 at most, and a path may follow."""
_MAX_DOMAIN_CHARACTERS: Final = 512
_MAX_SHOWN_DOMAINS: Final = 20

_MAX_FILTER_BYTES: Final = 1 << 16
"""Bytes of JSON that are decoded for one of the tool's fields."""

_SCHEMA: Final = strict_json.Raw(
    b'{"type":"object","properties":{"query":{"type":"string","description":"What to search for."}},'
    b'"required":["query"],"additionalProperties":false}'
)


@frozen
class SearchQuestion:
    """A query for a search engine.

    :ivar text: one line, never empty, of `MAX_QUERY_CHARACTERS` characters at most.
    :ivar allowed_domains: if not empty, only pages of these are allowed; ``example.com`` or ``example.com/path``.
    """

    text: str
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Return whether a page may be among the results."""
        try:
            parts = urlsplit(url)
            host, path = (parts.hostname or "").rstrip("."), parts.path
        except ValueError:
            return False
        if self.allowed_domains and not any(_covers(domain, host, path) for domain in self.allowed_domains):
            return False
        return bool(host) and not any(_covers(domain, host, path) for domain in self.blocked_domains)

    def with_sites(self) -> str:
        """Return the text with ``site:`` operators if there is room for them; the results are checked in any case."""
        allowed = [f"site:{domain}" for domain in self.allowed_domains]
        blocked = [f"-site:{domain}" for domain in self.blocked_domains]
        query = " ".join((self.text, " OR ".join(allowed), *blocked)).rstrip()
        return " ".join(query.split()) if len(query) <= MAX_QUERY_CHARACTERS else self.text


@frozen(kw_only=True)
class SearchTool:
    """The web search tool of a request, as the client configured it.

    :ivar place: where the user is, in words, or "".
    """

    max_uses: int = DEFAULT_USES
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    place: str = ""

    def question(self, query: str) -> SearchQuestion:
        """Return the query for a search engine."""
        return SearchQuestion(query, self.allowed_domains, self.blocked_domains)

    def offered(self, tool: Tool) -> Tool:
        """Return the function that the model is offered in place of ``tool``."""
        sentences = [
            "Search the web. The results are titles, addresses and excerpts of pages.",
            "Use it for what is recent or what you do not know, and name the pages that your answer rests on.",
            f"At most {self.max_uses} searches are made.",
        ]
        if self.allowed_domains:
            sentences.append(f"Only pages of these sites are found: {_listed(self.allowed_domains)}.")
        if self.blocked_domains:
            sentences.append(f"Pages of these sites are not found: {_listed(self.blocked_domains)}.")
        if self.place:
            sentences.append(f"The user is here: {self.place}. Name the place in the query where it matters.")
        return Tool(NAME, None, " ".join(sentences), _SCHEMA, tool.defer_loading)


def is_search(tool: Tool) -> bool:
    """Return whether a tool is the web search that Anthropic would run."""
    return (tool.type or "").startswith(WEB_SEARCH) and tool.name in {"", NAME}


def search_tool(tools: Sequence[Tool] | None) -> SearchTool | None:
    """Return the web search among a request's tools, or None.

    It is None, too, if another tool has the same name, as a call might then be meant for the client.
    """
    found = [tool for tool in tools or () if is_search(tool)]
    if len(found) != 1 or any(tool.name == NAME for tool in tools or () if tool is not found[0]):
        return None
    (tool,) = found
    uses = _value(tool.max_uses)
    return SearchTool(
        max_uses=min(uses, MAX_USES) if type(uses) is int and uses > 0 else DEFAULT_USES,
        allowed_domains=_domains(tool.allowed_domains),
        blocked_domains=_domains(tool.blocked_domains),
        place=_place(_value(tool.user_location)),
    )


def _value(raw: strict_json.Raw) -> Any:  # noqa: ANN401 - decoded JSON
    if not strict_json.present(raw) or len(raw) > _MAX_FILTER_BYTES:
        return None
    try:
        return strict_json.decode(raw)
    except strict_json.JsonError:
        return None


def _domains(raw: strict_json.Raw) -> tuple[str, ...]:
    value = _value(raw)
    names = [_without_scheme(name) for name in value if isinstance(name, str)] if isinstance(value, list) else []
    kept = [
        name
        for name in names
        if name and len(name) <= _MAX_DOMAIN_CHARACTERS and name.isprintable() and " " not in name
    ]
    return tuple(kept[:MAX_DOMAINS])


def _without_scheme(domain: str) -> str:
    """Return a domain in lower case, without a scheme, which some clients add."""
    return domain.strip().lower().removeprefix("https://").removeprefix("http://")


def _place(value: object) -> str:
    """Return a location in words."""
    if not isinstance(value, dict):
        return ""
    names = [value.get(key) for key in ("city", "region", "country", "timezone")]
    return ", ".join(" ".join(name.split())[:255] for name in names if isinstance(name, str) and name.strip())


def _listed(domains: Sequence[str]) -> str:
    more = len(domains) - _MAX_SHOWN_DOMAINS
    return ", ".join(domains[:_MAX_SHOWN_DOMAINS]) + (f" and {more} more" if more > 0 else "")


def _covers(domain: str, host: str, path: str) -> bool:
    """Return whether a page belongs to ``domain``: subdomains count, a path is a prefix and may have one ``*``."""
    name, _, start = domain.partition("/")
    if host != name and not host.endswith(f".{name}"):
        return False
    before, star, after = start.partition("*")
    rest = path.removeprefix("/")
    return rest.startswith(before) and (not star or after in rest[len(before) :])
