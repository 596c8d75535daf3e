"""The bridge's own web searches as text: only the bridge can read the results that it encoded for the client."""

from __future__ import annotations

from typing import Any

from claude_bridge.core.opaque_state import SNIPPET_PREFIX, unpack_snippet


def is_ours(content: object) -> bool:
    """Return whether the decoded content of a search result was made by the bridge."""
    return isinstance(content, list) and any(map(_is_our_hit, content))


def search_text(query: object, content: list[Any]) -> str:
    """Return what a search found, as text: title, address and text of each result.

    ``query``: the query as the model wrote it, anything else if it is not known.
    """
    head = f"Results of the web search {query!r}:" if isinstance(query, str) else "Results of a web search:"
    return "\n\n".join([head, *(_hit_text(hit) for hit in content if isinstance(hit, dict))])


def _is_our_hit(hit: object) -> bool:
    encrypted = hit.get("encrypted_content") if isinstance(hit, dict) else None
    return isinstance(encrypted, str) and encrypted.startswith(SNIPPET_PREFIX)


def _hit_text(hit: dict[str, object]) -> str:
    named = [hit.get(name) for name in ("title", "url", "page_age")]
    lines = [line for line in (*named, unpack_snippet(hit.get("encrypted_content"))) if isinstance(line, str) and line]
    return "\n".join(lines)
