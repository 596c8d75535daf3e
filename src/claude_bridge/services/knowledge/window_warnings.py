"""Warns once of every model whose prompts may be cut without anybody knowing.

Such servers tell the window of a model only while it is loaded (Ollama), and the first request loads it. So an unknown
window is no news yet: it is told of when requests have gone without one for `PATIENCE_SECONDS`, and never for a model
whose window has been known, for that is told again as soon as the model is loaded again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.core.backend_api import Target

MAX_WARNED_MODELS: Final = 100
"""Models watched and warned of: names may come from clients, and must not fill the log."""

PATIENCE_SECONDS: Final = 60.0
"""From the first request without a window to the warning: twice what a list of loaded models is fresh for, and about
what a large model takes to be loaded."""

_log = Logger()


@define(eq=False)
class WindowWarnings:
    """Remembers since when windows are missing, and whom it told of."""

    _seconds: Callable[[], float] = time.monotonic
    _since: dict[tuple[str, str], float | None] = field(factory=dict, init=False)

    def check(self, backend: str, target: Target) -> None:
        """Warn if prompts for ``target`` could be cut and for a while nothing has said at which length."""
        if not target.truncates:
            return
        key = (backend, target.model)
        if key not in self._since and len(self._since) >= MAX_WARNED_MODELS:
            return
        if target.context_window is not None:
            self._since[key] = None
            return
        since = self._since.setdefault(key, self._seconds())
        if since is not None and self._seconds() - since >= PATIENCE_SECONDS:
            self._since[key] = None
            self._warn(backend, target)

    @staticmethod
    def _warn(backend: str, target: Target) -> None:
        _log.warn(
            "backend {backend} silently truncates prompts that do not fit model {model}, whose context window is "
            "unknown: set context_window in a [model:*] section",
            event="window-unknown",
            backend=backend,
            model=target.model,
        )
