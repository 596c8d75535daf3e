"""Signal handlers: the first SIGTERM or SIGINT lets running responses finish, the second does not.

Twisted's own handlers do the former; for a second signal they would log a traceback and change nothing. SIGHUP, which
would end the process by default, reloads the configuration. Some other signals would by default end or suspend the
process with all running responses, although their senders do not want that: those are ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final, TypeAlias

from twisted.application.service import Service
from twisted.logger import Logger

Handler: TypeAlias = Callable[[int, FrameType | None], Any]
Previous: TypeAlias = Handler | int | None
Install: TypeAlias = Callable[[int, Any], Previous]
"""As `signal.signal`: takes a number and a handler."""
Current: TypeAlias = Callable[[int], Previous]
"""As `signal.getsignal`: the handler that is there."""

STOPS: Final = (signal.SIGTERM, signal.SIGINT)

IGNORED: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
"""Signals that other daemons understand: reopen the log after logrotate, change the log level, run another version.
They are logged as ignored."""

BACKGROUND: Final = (signal.SIGTTIN, signal.SIGTTOU)
"""The signal that suspends a background process which writes to its terminal, as we do when we log. It must be ignored
by the kernel: with a handler the kernel would never let the line through."""

_log = Logger()


def on_terminal() -> bool:
    """Return whether a person runs this in a terminal; the daemon ends when the terminal is closed."""
    return any(os.isatty(descriptor) for descriptor in (0, 1, 2))


class Signals(Service):
    """Handles signals while the reactor runs.

    In the reactor's thread, ``give_up`` is called at the second stop signal, ``reload`` at SIGHUP. If ``in_terminal``,
    SIGHUP keeps its original meaning, that the terminal is closed.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
        give_up: Callable[[], object],
        reload: Callable[[], object],
        in_terminal: Callable[[], bool] = on_terminal,
        install: Install = signal.signal,
        current: Current = signal.getsignal,
    ) -> None:
        self._reactor = reactor
        self._give_up = give_up
        self._reload = reload
        self._in_terminal = in_terminal
        self._install = install
        self._current = current
        self._stopping = False
        self._first: dict[int, Handler] = {}

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Install the handlers; those of stop signals when the reactor starts, after it has installed its own."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        self._replace_default(IGNORED, self._ignored)
        self._replace_default(BACKGROUND, signal.SIG_IGN)
        if not self._in_terminal():
            self._install(signal.SIGHUP, self._hang_up)
        self._reactor.callWhenRunning(self._take_over)

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Note that a stop is under way, whatever caused it."""
        super().stopService()  # type: ignore[no-untyped-call]  # the same
        self._stopping = True

    def _replace_default(self, numbers: Iterable[int], handler: Handler | int) -> None:
        """Install ``handler`` unless somebody, a debugger or the parent process, has installed or ignored another."""
        for number in numbers:
            if self._current(number) == signal.SIG_DFL:
                self._install(number, handler)

    def _take_over(self) -> None:
        for number in STOPS:
            first = self._current(number)
            if callable(first):  # else ignored, as a shell does with SIGINT for what runs in the background
                self._first[number] = first  # before the other can be called: a signal may come in the very next step
                self._install(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Run as a signal handler: between any two instructions, so the reactor is only told."""
        if not self._stopping:
            self._stopping = True
            self._first[number](number, frame)
            return
        for each in STOPS:
            self._install(each, signal.SIG_DFL)  # a third signal needs no help of ours
        self._reactor.callFromThread(self._give_up)

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._reload)

    def _ignored(self, number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(
            _log.warn,
            "{signal} does nothing: the log goes to standard error, so there is no file to open anew; SIGTERM stops",
            event="signal-ignored",
            signal=signal.Signals(number).name,
        )
