"""Warns once about every model whose server may silently truncate prompts.

Such servers give the window of a model only while it is loaded (Ollama), and the first request loads it. So an unknown
window is not worth a warning at first, but only when requests have been sent without one for `PATIENCE_SECONDS`. There
is none for a model whose window was known before: it will be known again as soon as the model is loaded again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.core.backend_api import Target

MAX_WARNED_MODELS: Final = 100
"""Models that are tracked: names may come from clients, and must not fill the log."""

PATIENCE_SECONDS: Final = 60.0
"""Seconds from the first request without a window to the warning: twice the time for which a list of loaded models is
fresh, and about what it takes to load a large model."""

_log = Logger()


@define(eq=False)
class WindowWarnings:
    """Tracks since when the windows of models are missing, and which models it has warned about."""

    _seconds: Callable[[], float]
    _since: dict[tuple[str, str], float | None] = field(factory=dict, init=False)

    def check(self, backend: str, target: Target) -> None:
        """Warn if the server truncates prompts and the window has been unknown for `PATIENCE_SECONDS`."""
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
