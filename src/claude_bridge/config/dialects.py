"""Which dialect a backend speaks, as far as the configuration alone tells: by its name, or by the host of the URL."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.chat_completions.dialect import GENERIC, Clues
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS, DialectDecision, decide

AUTO: Final = "auto"

BEARER: Final = "Authorization"

UNKNOWN: Final = DialectDecision(GENERIC, "nothing is known of it yet")


def configured(backend: Backend) -> DialectDecision:
    """Return the dialect and why it is the one; `UNKNOWN` until the backend itself reveals more."""
    if backend.dialect != AUTO:
        return DialectDecision(DIALECTS[backend.dialect], "configured")
    return _by_host(backend.url)


def key_header(backend: Backend, key: Secret) -> tuple[str, str]:
    """Return the header that shows ``key`` to a backend, name and value: a bearer unless its dialect names another."""
    name = configured(backend).dialect.key_header
    return name, f"Bearer {key.reveal()}" if name == BEARER else key.reveal()


@lru_cache(maxsize=256)  # as many as anybody has backends
def _by_host(url: str) -> DialectDecision:
    return decide(Clues(host=(urlsplit(url).hostname or "").lower())) or UNKNOWN
