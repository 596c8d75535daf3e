"""How the daemon's log gets into twistd, and through its start and its end."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from claude_bridge.daemon.logs.writer import LineWriter


def twistd_descriptor(logfile: str | None, *, nodaemon: bool) -> int:
    """Return the descriptor that twistd's own options ask for.

    ``--logfile=-`` is standard output; a daemon without ``--logfile`` writes ``twistd.log``, as twistd does, since
    its standard error is about to become ``/dev/null``. Raises `OSError` if the file cannot be opened.
    """
    if logfile == "-":
        return sys.__stdout__.fileno() if sys.__stdout__ else 1
    if not logfile and nodaemon:
        return 2
    return os.open(logfile or "twistd.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class LoggedService(MultiService):
    """The top service: makes twistd log to ``observer`` from its first line on.

    twistd asks the application for an `ILogObserver` component before it writes anything, and buffers what was
    logged until then. The application exists only when the service gets its parent, hence here. An explicit
    ``twistd --logger`` still wins, by twistd's own rule.

    A child that cannot listen ends the process with one line and status 1, where twistd would print a traceback.

    While ``reactor`` runs, ``writer`` waits for nobody; after it, the last lines do, for a moment.
    """

    _log = Logger()

    def __init__(
        self,
        observer: ILogObserver,
        writer: LineWriter,
        reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        self._observer = observer
        self._writer = writer
        self._reactor = reactor

    def setServiceParent(self, parent: object) -> None:  # noqa: N802 - Twisted's name
        """Register the observer with the application, then join it."""
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # the same

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Start the children; this is when ports are bound."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]  # the same
        except (CannotListenError, OSError) as error:
            self._log.error("cannot start: {reason}", event="start-failed", reason=str(error))
            raise SystemExit(1) from None

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Start the children; from here on the reactor tries again what could not be written."""
        self._writer.attach(self._reactor)
        self._reactor.addSystemEventTrigger("after", "shutdown", self._writer.detach)
        super().startService()  # type: ignore[no-untyped-call]  # the same
