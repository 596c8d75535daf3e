"""Search results -> plain text and URLs that may be shown.

All of it is untrusted: markup and invisible characters are removed, and results whose URL is not plain http or https
are left out. No URL is ever requested.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from claude_bridge.core.events import SearchHit

MAX_TITLE_CHARACTERS: Final = 300
MAX_URL_CHARACTERS: Final = 2048
MAX_SNIPPET_CHARACTERS: Final = 2000
MAX_AGE_CHARACTERS: Final = 64
"""Characters that are kept: a page's title is longer only by mistake, and a longer snippet is not an excerpt."""

_READ: Final = 8
"""This many times the length is read before markup is removed."""

# A tag ends at the next bracket of either kind, so that the search never looks at a character twice.
_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible, but needed in Persian words and in emoji."""


def cleaned(hits: Iterable[SearchHit]) -> Iterator[SearchHit]:
    """Yield the hits that may be shown, each URL once; a page without a title gets its URL as title."""
    seen: set[str] = set()
    for hit in hits:
        url = hit.url.strip()
        if url in seen or not _is_plain(url):
            continue
        seen.add(url)
        title = plain(hit.title, MAX_TITLE_CHARACTERS) or url[:MAX_TITLE_CHARACTERS]
        age = plain(hit.age, MAX_AGE_CHARACTERS) if hit.age is not None else ""
        yield SearchHit(title, url, plain(hit.snippet, MAX_SNIPPET_CHARACTERS), age or None)


def plain(text: str, longest: int) -> str:
    """Return a text on one line without tags, entities, control characters and invisible ones."""
    text = html.unescape(_TAG.sub("", text[: longest * _READ]))
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_shown, text))
    return " ".join(text.split())[:longest].rstrip()


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    kind = unicodedata.category(character)
    return " " if kind == "Cc" or kind.startswith("Z") else ""


def _is_plain(url: str) -> bool:
    """Return whether a URL is an ordinary one: http or https, with a host, without a user or odd characters."""
    if len(url) > MAX_URL_CHARACTERS or not url.isprintable() or re.search(r'[\s\\<>"]', url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
