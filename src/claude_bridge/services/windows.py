"""Warns once of every model whose prompts may be cut without anybody knowing."""

from __future__ import annotations

from typing import Final

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.core.target import Target

MOST_TOLD: Final = 100
"""Models warned of: names may come from clients, and must not fill the log."""

_log = Logger()


@define(eq=False)
class WindowWarnings:
    """Remembers whom it told of."""

    _told: set[tuple[str, str]] = field(factory=set, init=False)

    def check(self, backend: str, target: Target) -> None:
        """Warn if a prompt for ``target`` could be cut and nothing says at which length."""
        if target.context_window is not None or not target.truncates:
            return
        if (backend, target.model) in self._told or len(self._told) >= MOST_TOLD:
            return
        self._told.add((backend, target.model))
        _log.warn(
            "backend {backend} cuts prompts that are too long for model {model} without a word, and does not say what "
            "is too long: set context_window in a [model:*] for it",
            event="window-unknown",
            backend=backend,
            model=target.model,
        )
