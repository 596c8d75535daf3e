"""What search engines say of pages -> plain text and addresses that may be shown.

All of it comes from strangers by way of a stranger: texts lose markup and what nobody sees, addresses that are not
plain http or https are left out with their texts. No address is ever asked for anything.
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
"""Characters that are kept; pages have long titles by mistake only, and more than 2,000 characters is no excerpt."""

_READ: Final = 8
"""So many times the length is looked at before markup is taken out."""

# A tag ends at the next bracket of either kind, so that the search never looks at a character twice.
_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible, but letters of Persian and parts of emoji."""


def cleaned(hits: Iterable[SearchHit]) -> Iterator[SearchHit]:
    """Yield the hits that may be shown, each address once; a page without a title has its address for one."""
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
    """Take tags, entities, control characters and invisible ones out of a text; it comes out on one line."""
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
    """Return whether an address is an ordinary one of a page: nothing but http, no user in it, nothing to trip over."""
    if len(url) > MAX_URL_CHARACTERS or not url.isprintable() or re.search(r'[\s\\<>"]', url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
