"""What signals mean to the daemon: the first SIGTERM or SIGINT lets answers finish, the second does not.

Twisted's own handlers do the first; for the second they would log a traceback and change nothing. SIGHUP, which ends
a process that says nothing about it, is what many send to have a configuration read again: that it is not is said.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, TypeAlias

from twisted.application.service import Service
from twisted.logger import Logger

Previous: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
Install: TypeAlias = Callable[[int, Any], Previous]
"""As `signal.signal`: takes a number and a handler, gives the handler that was there."""

STOPS: Final = (signal.SIGTERM, signal.SIGINT)

_log = Logger()


def on_terminal() -> bool:
    """Tell whether a person runs this in a terminal, whose end is then the daemon's end too."""
    return any(os.isatty(descriptor) for descriptor in (0, 1, 2))


class Signals(Service):
    """Listens to signals while the reactor runs.

    ``give_up`` is called in the reactor when the second signal comes. ``in_terminal`` tells whether SIGHUP has its
    first meaning, that the terminal is gone; it keeps that then.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
        give_up: Callable[[], object],
        in_terminal: Callable[[], bool] = on_terminal,
        install: Install = signal.signal,
    ) -> None:
        self._reactor = reactor
        self._give_up = give_up
        self._in_terminal = in_terminal
        self._install = install
        self._stopping = False
        self._first: Mapping[int, Previous] = {}

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take SIGHUP over, and the others once the reactor has set its own handlers, when it starts to run."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        if not self._in_terminal():
            self._install(signal.SIGHUP, self._hang_up)
        self._reactor.callWhenRunning(self._take_over)

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Note that a stop is under way, whoever asked for it."""
        super().stopService()  # type: ignore[no-untyped-call]  # the same
        self._stopping = True

    def _take_over(self) -> None:
        first: dict[int, Previous] = {}
        self._first = first
        for number in STOPS:
            first[number] = self._install(number, self._stop)
            if not callable(first[number]):  # ignored, as a shell does with SIGINT for what runs in the background
                self._install(number, first[number])

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Run as a signal handler: between any two instructions, so the reactor is only told."""
        first = self._first[number]
        if not self._stopping and callable(first):
            self._stopping = True
            first(number, frame)
            return
        for each in STOPS:
            self._install(each, signal.SIG_DFL)  # a third signal needs no help of ours
        self._reactor.callFromThread(self._give_up)

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(
            _log.warn, "SIGHUP does not read the configuration again; restart the daemon for that", event="hang-up"
        )
