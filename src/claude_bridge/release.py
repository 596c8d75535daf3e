"""Which release this is; the one place that names the distribution."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Final

DISTRIBUTION: Final = "twisted-claude-bridge"
"""Not ``claude-bridge``: that name on package indexes belongs to somebody else's tool."""


def product(separator: str = " ") -> str:
    """Return name and version, as ``claude-bridge 1.2.3`` for people and, with a slash, for ``User-Agent``."""
    return f"claude-bridge{separator}{_version()}"


@cache
def _version() -> str:
    """Return the version that runs: an upgrade under a running daemon changes what is installed, not that."""
    return version(DISTRIBUTION)
