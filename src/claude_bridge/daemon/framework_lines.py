"""What Twisted says of itself at start and stop: for whoever debugs, not for whoever reads what the daemon does.

Which reactor runs, that a factory starts, that a cache of plugins cannot be written (a service of systemd's has no
right to): the daemon has lines of its own for what of this matters. Warnings and errors pass as they are.
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
    """Passes every event on to ``observer``; Twisted's own news become debug lines."""

    observer: ILogObserver

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        if event.get("log_level") is LogLevel.info and _is_twisted(event):
            event = {**event, "log_level": LogLevel.debug}
        self.observer(event)


def _is_twisted(event: LogEvent) -> bool:
    namespace = event.get("log_namespace") or ""
    return namespace == _LEGACY or namespace.startswith("twisted.")
