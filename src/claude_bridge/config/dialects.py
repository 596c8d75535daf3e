"""The dialect of a backend as far as the configuration alone decides it: by name, or by the host of the URL."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Clues, DialectDecision
from claude_bridge.core.kinds import KINDS

AUTO: Final = "auto"

BEARER: Final = "Authorization"


def configured(backend: Backend) -> DialectDecision:
    """Return the dialect and the reason, or the generic one as long as the backend itself has revealed nothing."""
    if backend.dialect != AUTO:
        return DialectDecision(KINDS[backend.kind].dialects[backend.dialect], "configured")
    return _by_host(backend.kind, backend.url)


def key_header(backend: Backend, key: Secret, name: str = "") -> tuple[str, str]:
    """Return name and value of the header that carries ``key``: a bearer unless the backend's dialect uses another.

    ``name``: the header to use whatever the dialect says, or "".
    """
    name = name or configured(backend).dialect.key_header
    return name, f"Bearer {key.reveal()}" if name == BEARER else key.reveal()


@lru_cache(maxsize=256)  # as many as anybody has backends
def _by_host(kind: str, url: str) -> DialectDecision:
    clues = Clues(host=(urlsplit(url).hostname or "").lower())
    return KINDS[kind].recognise(clues) or KINDS[kind].undecided
