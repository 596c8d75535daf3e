"""Which release this is; the one place that names the distribution."""

from __future__ import annotations

from typing import Final

DISTRIBUTION: Final = "twisted-claude-bridge"
"""Not ``claude-bridge``: that name on package indexes belongs to somebody else's tool."""

VERSION: Final = "0.1.0"
"""As in ``pyproject.toml``. Looking it up in what is installed would take 1 MB of memory, and after an upgrade under a
running daemon it would name a version that does not run yet."""


def product(separator: str = " ") -> str:
    """Return name and version, as ``claude-bridge 1.2.3`` for people and, with a slash, for ``User-Agent``."""
    return f"claude-bridge{separator}{VERSION}"
