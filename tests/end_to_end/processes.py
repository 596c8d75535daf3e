"""Running programs from a test without blocking the reactor, which the scripted backend needs meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

PROGRAM_SECONDS = 100.0
"""Limit for a program that a test runs: below the test's own limit, so that its output is shown."""


@frozen(kw_only=True)
class Ran:
    """What a program did; ``code`` is negative for the signal that ended it."""

    code: int
    out: str
    err: str


@define(eq=False)
class Watched(ProcessProtocol):
    """A child process: collects what it writes and tells when it ended."""

    out: bytearray = field(factory=bytearray, init=False)
    err: bytearray = field(factory=bytearray, init=False)
    code: int | None = field(default=None, init=False)
    _ended: list[Deferred[int]] = field(factory=list, init=False)

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take standard output."""
        self.out += data

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take standard error."""
        self.err += data

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Take the exit status; both outputs are complete."""
        value: Any = reason.value
        self.code = 0 if reason.check(ProcessDone) else value.exitCode if value.signal is None else -value.signal
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(self.code)

    def when_ended(self) -> Deferred[int]:
        """Return a Deferred of the exit code. Cancelling it leaves the process alone."""
        ended: Deferred[int] = Deferred(self._ended.remove)
        if self.code is None:
            self._ended.append(ended)
        else:
            ended.callback(self.code)
        return ended

    def signal(self, name: str) -> None:
        """Send a signal (``TERM``, ``KILL``); harmless if the process has ended."""
        process: Any = self.transport
        try:
            process.signalProcess(signal.Signals[f"SIG{name}"])
        except ProcessExitedAlready:
            return


async def run_program(
    reactor: Any,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    seconds: float = PROGRAM_SECONDS,
) -> Ran:
    """Run a program to its end, in exactly this environment (default: empty). It is killed when the time is over."""
    watched = Watched()
    reactor.spawnProcess(
        watched, arguments[0], list(arguments), env=dict(environment or {}), path=str(folder) if folder else None
    )
    code = await killed_late(reactor, watched, seconds)
    return Ran(code=code, out=watched.out.decode(errors="replace"), err=watched.err.decode(errors="replace"))


async def killed_late(reactor: Any, watched: Watched, seconds: float) -> int:
    """Wait for the end of a child and return its exit code; kill it when the time is over."""
    try:
        return await watched.when_ended().addTimeout(seconds, reactor, told_late)
    except TimeoutError:
        watched.signal("KILL")
        watched.err += f"\nkilled after {seconds} s\n".encode()
        return await watched.when_ended()


def told_late(result: Any, _seconds: float) -> Any:
    """Make a plain `TimeoutError` of a wait that took too long."""
    if isinstance(result, Failure) and result.check(CancelledError):
        raise TimeoutError from result.value
    return result
