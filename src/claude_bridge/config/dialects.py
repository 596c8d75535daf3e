"""Which dialect a backend speaks, as far as the configuration alone tells: by its name, or by the host of the URL."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from claude_bridge.config.schema import Backend
from claude_bridge.core.dialect import GENERIC, Clues
from claude_bridge.core.dialects.registry import DIALECTS, Decided, decide

AUTO: Final = "auto"

UNKNOWN: Final = Decided(GENERIC, "nothing is known of it yet")


def configured(backend: Backend) -> Decided:
    """Give the dialect and why it is the one; `UNKNOWN` until the backend itself reveals more."""
    if backend.dialect != AUTO:
        return Decided(DIALECTS[backend.dialect], "configured")
    return decide(Clues(host=(urlsplit(backend.url).hostname or "").lower())) or UNKNOWN
