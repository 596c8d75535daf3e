"""Runs a program in the foreground as if it had been started in place of this process, and then cleans up.

The terminal and what is typed are the program's: Ctrl-C reaches it from the kernel, other signals are passed on, and
its exit status is ours.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Final, Self

from attrs import define, field

from claude_bridge.children import ExpectedFailure

KEYBOARD: Final = (signal.SIGINT, signal.SIGQUIT)
"""The kernel sends them to every process in the foreground."""

PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP)
HANDLED: Final = (*KEYBOARD, *PASSED_ON)

OF_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that a program expects not to be."""

BY_SIGNAL: Final = 128
"""Added to the number of a signal in the exit status of what it ended, as shells do."""


class EndedBySignal(BaseException):
    """A signal came before the program was started.

    :ivar number: which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@define(eq=False)
class Foreground:
    """Handles signals while it is entered: before the program they end us, then they are its own, then none counts."""

    _pid: int | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)
    _before: dict[int, Any] = field(factory=dict, init=False)

    def __enter__(self) -> Self:
        """Install the handlers; a signal that is ignored stays so, also for the program."""
        for number in HANDLED:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_error: object) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run a program to its end, and return its exit status. Raises `ExpectedFailure` if it cannot be started."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # until it is known to whom they are passed on
        try:
            self._pid = pid = os.posix_spawn(
                command[0], list(command), dict(environ), setsigmask=blocked, setsigdef=OF_PYTHON
            )
        except OSError as error:
            raise ExpectedFailure(f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        while True:
            _, status = os.waitpid(pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            if os.isatty(0):  # Ctrl-Z: the shell waits for us to stop too, and wakes us both
                os.kill(os.getpid(), signal.SIGSTOP)
        self._pid, self._over = None, True
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else BY_SIGNAL - code

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._pid is not None:
            if number in PASSED_ON:
                os.kill(self._pid, number)
        elif not self._over:
            self._over = True  # nothing disturbs the clean-up
            raise EndedBySignal(number)
