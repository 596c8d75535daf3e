"""What signals mean to the daemon: the first SIGTERM or SIGINT lets answers finish, the second does not.

Twisted's own handlers do the first; for the second they would log a traceback and change nothing. SIGHUP, which ends
a process that says nothing about it, has the configuration read again. Other signals end such a process too, or halt
it, with all answers under way, although who sends them wants no such thing: those do nothing here.
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
"""What other daemons are sent: to open their log anew after logrotate has moved it, to change their level of logging,
to run another version of themselves. It is said that nothing came of it."""

BACKGROUND: Final = (signal.SIGTTIN, signal.SIGTTOU)
"""What halts a process in the background that uses its terminal, which for us means only to log. Not even a handler
may be there: the kernel would then never let the line through."""

_log = Logger()


def on_terminal() -> bool:
    """Return whether a person runs this in a terminal, whose end is then the daemon's end too."""
    return any(os.isatty(descriptor) for descriptor in (0, 1, 2))


class Signals(Service):
    """Listens to signals while the reactor runs.

    ``give_up`` is called in the reactor when the second of those that stop comes, ``reload`` when SIGHUP does.
    ``in_terminal`` tells whether SIGHUP has its first meaning, that the terminal is gone; it keeps that then.
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
        """Take the signals over; those that stop, once the reactor has set its own handlers, when it starts to run."""
        super().startService()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        self._replace_default(IGNORED, self._ignored)
        self._replace_default(BACKGROUND, signal.SIG_IGN)
        if not self._in_terminal():
            self._install(signal.SIGHUP, self._hang_up)
        self._reactor.callWhenRunning(self._take_over)

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Note that a stop is under way, whoever asked for it."""
        super().stopService()  # type: ignore[no-untyped-call]  # the same
        self._stopping = True

    def _replace_default(self, numbers: Iterable[int], handler: Handler | int) -> None:
        """Install ``handler`` where nobody, such as a debugger or whoever started the daemon, has decided otherwise."""
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
