"""One document being read: the daemon's side of the child process."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Final

from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.core import strict_json
from claude_bridge.services.callbacks import stop_timer
from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason

LAST_WORDS: Final = 2000
"""Bytes kept of the standard error of a child that fails to start: the end of a traceback."""

MAX_TOTAL_PAGES: Final = 1_000_000
"""Pages that a child may report: pypdf itself gives up above 100,000."""

_REASONS: Final = frozenset[str](Reason)

# The child has the module search path of this process: an isolated interpreter (-I) alone would not find modules in a
# user's site-packages or PYTHONPATH. It gets no environment, and so none of the keys in ours.
_START: Final = (
    "import sys; sys.path[:] = sys.argv[5:]; "
    "from claude_bridge.services.documents.extract import main; main(sys.argv[1:5])"
)


def command(limits: ExtractionLimits) -> list[str]:
    """Return the command that starts a child."""
    path = [entry for entry in sys.path if entry]  # "" is the working directory
    return [sys.executable, "-I", "-B", "-X", "utf8", "-c", _START, *limits.arguments(), *path]


class Reading(ProcessProtocol):
    """A child that reads one document.

    :param document: in base64, ASCII only.
    :param on_result: called once with what was read; not after `cancel`.
    :param on_exit: called once when the process has ended, after ``on_result`` if that is called.
    """

    _log = Logger()
    transport: IProcessTransport

    def __init__(
        self,
        document: str,
        limits: ExtractionLimits,
        on_result: Callable[[Extracted], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._document = document
        self._limits = limits
        self._room = limits.output
        self._on_result: Callable[[Extracted], None] | None = on_result
        self._on_exit = on_exit
        self._time_limit: IDelayedCall | None = None
        self._line = b""
        self._ready = False
        self._pages: list[str | None] = []
        self._total = 0
        self._last_words = b""

    def start(self, reactor: IReactorProcess, clock: IReactorTime) -> None:
        """Start the child; if that fails, ``on_result`` and ``on_exit`` are called before this returns."""
        arguments = command(self._limits)
        try:
            reactor.spawnProcess(self, arguments[0], arguments, env={})
        except OSError as error:
            self._log.error("PDFs cannot be read: no process can be started: {error}", event="document", error=error)
            self._report(Reason.FAILED)
            self._on_exit()
        else:
            self._time_limit = clock.callLater(self._limits.seconds, self._kill, Reason.TIME)

    def cancel(self) -> None:
        """Kill the child and report nothing."""
        self._on_result = None
        self._kill(Reason.STOPPED)

    def stop(self) -> None:
        """Kill the child and report what was read so far."""
        self._kill(Reason.STOPPED)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Send the document."""
        document, self._document = self._document, ""
        self.transport.write(document.encode("ascii"))
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Read reports."""
        self._room -= len(data)
        if self._reported:
            return
        if self._room < 0:
            self._kill_misbehaving("it says more than it may")
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._read_report(line)

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep the last bytes that come before the document is read: later ones might quote it."""
        if not self._ready:
            self._last_words = (self._last_words + data)[-LAST_WORDS:]

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Report what was read, if the child has not reported its end."""
        if not self._reported:
            self._report(self._unexpected(reason.value))
        stop_timer(self._time_limit)
        self._on_exit()

    @property
    def _reported(self) -> bool:
        """Whether the result was reported, or is not wanted any more."""
        return self._on_result is None

    def _read_report(self, line: bytes) -> None:
        """Read one report; an invalid one ends the child."""
        if self._reported:
            return
        try:
            report = strict_json.decode(line)
        except strict_json.JsonError:
            report = None
        match report:
            case ["ready", None]:
                self._ready = True
            case ["total", int(total)] if 0 <= total <= MAX_TOTAL_PAGES:
                self._total = total
            case ["page", str() | None as text]:
                self._pages.append(text)
            case ["end", str() | None as reason] if reason is None or reason in _REASONS:
                self._report(None if reason is None else Reason(reason))
            case _:
                self._kill_misbehaving("it says what it should not")

    def _kill_misbehaving(self, why: str) -> None:
        self._log.warn("The process that reads a PDF is ended: {why}", event="document", why=why)
        self._kill(Reason.FAILED)

    def _unexpected(self, end: BaseException | None) -> Reason:
        """Return the reason for an end without a report."""
        number = end.signal if isinstance(end, ProcessTerminated) else None
        if number == signal.SIGXCPU:
            return Reason.TIME
        if self._ready:
            self._log.warn("The process that reads a PDF ended early: {how}", event="document", how=str(end))
        else:
            said = self._last_words.decode("utf-8", "replace")
            self._log.error("PDFs cannot be read: {how}: {said}", event="document", how=str(end), said=said)
        return Reason.FAILED

    def _kill(self, reason: Reason) -> None:
        """Kill the child and report at once: it may take a moment until the process has ended."""
        stop_timer(self._time_limit)
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        self._report(reason)

    def _report(self, reason: Reason | None) -> None:
        self._line = b""
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            on_result(Extracted(pages=tuple(self._pages), total_pages=self._total, reason=reason))
