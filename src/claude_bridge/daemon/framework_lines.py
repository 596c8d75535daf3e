"""Turns Twisted's own log lines at start and stop into debug lines.

They say which reactor runs, that a factory starts, or that a plugin cache cannot be written (a systemd service may
not): for what matters of this the daemon has lines of its own. Warnings and errors pass unchanged.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

_LEGACY: Final = "log_legacy"
"""The namespace of everything that comes through `twisted.python.log`."""


@implementer(ILogObserver)
@frozen
class Demoting:
    """Passes every event on to ``observer``; Twisted's own information becomes debug lines."""

    observer: ILogObserver

    def __call__(self, event: LogEvent) -> None:
        """Pass on one event."""
        if event.get("log_level") is LogLevel.info and _is_twisted(event):
            event = {**event, "log_level": LogLevel.debug}
        self.observer(event)


def _is_twisted(event: LogEvent) -> bool:
    namespace = event.get("log_namespace") or ""
    return namespace == _LEGACY or namespace.startswith("twisted.")
