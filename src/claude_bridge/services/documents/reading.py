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
from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason

LAST_WORDS: Final = 2000
"""Bytes kept of what a child says that does not even start: the end of a traceback."""

MAX_TOTAL_CHARACTERS: Final = 1_000_000
"""Pages that a child may speak of: pypdf itself gives up above 100,000."""

_REASONS: Final = frozenset[str](Reason)

# The child looks for modules where this process does: an isolated interpreter (-I) alone would not see those of a
# user's own site-packages or of PYTHONPATH. It gets no environment, so none of the keys that are in ours.
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
    :param done: called once with what was read; not after `abandon`.
    :param gone: called once, when there is no process any more, after ``done`` if that is called.
    """

    _log = Logger()
    transport: IProcessTransport

    def __init__(
        self, document: str, limits: ExtractionLimits, done: Callable[[Extracted], None], gone: Callable[[], None]
    ) -> None:
        self._document = document
        self._limits = limits
        self._room = limits.output
        self._done: Callable[[Extracted], None] | None = done
        self._gone = gone
        self._limit: IDelayedCall | None = None
        self._line = b""
        self._ready = False
        self._pages: list[str | None] = []
        self._total = 0
        self._last_words = b""

    def start(self, reactor: IReactorProcess, clock: IReactorTime) -> None:
        """Start the child; ``done`` and ``gone`` are called before this returns if it cannot be."""
        arguments = command(self._limits)
        try:
            reactor.spawnProcess(self, arguments[0], arguments, env={})
        except OSError as error:
            self._log.error("PDFs cannot be read: no process can be started: {error}", event="document", error=error)
            self._tell(Reason.FAILED)
            self._gone()
        else:
            self._limit = clock.callLater(self._limits.seconds, self._kill, Reason.TIME)

    def abandon(self) -> None:
        """End the child; nobody wants to know."""
        self._done = None
        self._kill(Reason.STOPPED)

    def stop(self) -> None:
        """End the child; who waits is told what was read so far."""
        self._kill(Reason.STOPPED)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Send the document."""
        document, self._document = self._document, ""
        self.transport.write(document.encode("ascii"))
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take reports."""
        self._room -= len(data)
        if self._over:
            return
        if self._room < 0:
            self._break_off("it says more than it may")
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._take(line)

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep what is said before the document is read: after that it might quote it."""
        if not self._ready:
            self._last_words = (self._last_words + data)[-LAST_WORDS:]

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Tell, if the child has not said itself that it is through."""
        if not self._over:
            self._tell(self._unexpected(reason.value))
        self._stop_clock()
        self._gone()

    @property
    def _over(self) -> bool:
        """Whether everything is told, or nobody wants to know."""
        return self._done is None

    def _take(self, line: bytes) -> None:
        """Take one report; whatever it should not be ends the child."""
        if self._over:
            return
        try:
            report = strict_json.decode(line)
        except strict_json.JsonError:
            report = None
        match report:
            case ["ready", None]:
                self._ready = True
            case ["total", int(total)] if 0 <= total <= MAX_TOTAL_CHARACTERS:
                self._total = total
            case ["page", str() | None as text]:
                self._pages.append(text)
            case ["end", str() | None as reason] if reason is None or reason in _REASONS:
                self._tell(None if reason is None else Reason(reason))
            case _:
                self._break_off("it says what it should not")

    def _break_off(self, why: str) -> None:
        self._log.warn("The process that reads a PDF is ended: {why}", event="document", why=why)
        self._kill(Reason.FAILED)

    def _unexpected(self, end: BaseException | None) -> Reason:
        """Return what an end without a report means."""
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
        """End the child by force. Who waits is told now: the process may need a moment to be gone."""
        self._stop_clock()
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        self._tell(reason)

    def _tell(self, reason: Reason | None) -> None:
        self._line = b""
        done, self._done = self._done, None
        if done is not None:
            done(Extracted(pages=tuple(self._pages), total_pages=self._total, reason=reason))

    def _stop_clock(self) -> None:
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
