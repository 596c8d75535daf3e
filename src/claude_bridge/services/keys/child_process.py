"""Runs a command without a shell and returns what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from claude_bridge.config.secret import HIDDEN
from claude_bridge.core.redaction import redact, shorten
from claude_bridge.services.callbacks import stop_timer

SECONDS: Final = 30.0
"""The limit for one run."""

MAX_OUTPUT_BYTES: Final = 16 * 1024
"""Twice the longest key: more is no key."""

MAX_ERROR_BYTES: Final = 4 * 1024
"""Bytes of standard error that are looked at; its first line says what is wrong, in most programs."""

MAX_REASON_CHARACTERS: Final = 200

GRACE_SECONDS: Final = 0.5
"""How long output is awaited after the end of a command whose own children keep the pipe open."""

MIN_HIDDEN_CHARACTERS: Final = 6
"""Characters of the shortest argument that is hidden where a command quotes it."""

_OPTION: Final = re.compile(r"(--[a-z][a-z-]*)(?:=(.+))?", re.DOTALL)

_NOT_EXECUTED: Final = (b"Upon execvpe", b"Traceback")
"""How the text begins that Twisted's child writes if it cannot become the program; arguments are quoted in it."""


class CommandFailed(Exception):
    """A command printed no key; the text says why, without any output but a redacted first line of standard error.

    Arguments that are quoted in it are hidden: they may hold a secret, so a dump shows none of them either.
    """


def run_command(
    reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
    command: Sequence[str],
    seconds: float = SECONDS,
) -> Deferred[bytes]:
    """Run ``command``, whose first word is the path of a program; the Deferred fires with its standard output.

    It fails with `CommandFailed`. The command inherits the environment, and its standard input is empty. It is killed
    after ``seconds``, when the Deferred is cancelled, and when the reactor stops.
    """
    running = RunningCommand(reactor)
    running.start(command, seconds)
    return running.result


@define(eq=False)
class RunningCommand(ProcessProtocol):
    """A command that runs.

    :ivar result: fires with the output, or fails with `CommandFailed`.
    """

    _reactor: Any
    result: Deferred[bytes] = field(init=False)
    _out: bytes = field(default=b"", init=False)
    _err: bytes = field(default=b"", init=False)
    _arguments: Sequence[str] = field(default=(), init=False, repr=False)
    _timers: list[IDelayedCall] = field(factory=list, init=False)
    _at_shutdown: Any = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    @property
    def _process(self) -> Any:  # noqa: ANN401 - has more methods than its interface
        return self.transport

    def __attrs_post_init__(self) -> None:
        """Make the result."""
        self.result = Deferred(lambda _: self._give_up())

    def start(self, command: Sequence[str], seconds: float) -> None:
        """Run the command."""
        self._arguments = command[1:]
        try:
            self._reactor.spawnProcess(self, command[0], list(command), env=None)
        except OSError as error:
            self._fail(f"it cannot be executed: {error.strerror or type(error).__name__}")
            return
        self._timers.append(self._reactor.callLater(seconds, self._stop, f"it took longer than {seconds:g} s"))
        self._at_shutdown = self._reactor.addSystemEventTrigger("during", "shutdown", self._kill)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Leave nothing to read: a program that asks for a password must end."""
        self._process.closeStdin()

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep output."""
        self._out += data
        if len(self._out) > MAX_OUTPUT_BYTES:
            self._stop(f"it printed more than {MAX_OUTPUT_BYTES:,} bytes")

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep the beginning of what it complains of."""
        self._err += data[: MAX_ERROR_BYTES - len(self._err)]

    def processExited(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Wait a moment for the rest of the output: a child of the command may keep the pipe open."""
        if not self._over:
            self._timers.append(self._reactor.callLater(GRACE_SECONDS, self._conclude, reason))

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Receive the end of the process."""
        self._conclude(reason)

    def _conclude(self, reason: Failure) -> None:
        if reason.check(ProcessDone):
            self._end(self._out)
        elif not self._over:
            self._fail(_reason(reason.value, self._err, self._arguments))

    def _stop(self, why: str) -> None:
        self._kill()
        self._fail(why)

    def _give_up(self) -> None:
        """Kill a command whose result nobody wants any more."""
        self._kill()
        self._end(None)

    def _kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")

    def _fail(self, why: str) -> None:
        self._end(Failure(CommandFailed(why)))

    def _end(self, result: bytes | Failure | None) -> None:
        """Report the result, once; None reports nothing."""
        if self._over:
            return
        self._over = True
        for timer in self._timers:
            stop_timer(timer)
        if self._at_shutdown is not None:
            with suppress(KeyError, ValueError):  # it has been called
                self._reactor.removeSystemEventTrigger(self._at_shutdown)
        if self.transport is not None:
            self.transport.loseConnection()
        if result is not None:
            self.result.callback(result)


def _reason(error: Any, stderr: bytes, arguments: Sequence[str]) -> str:  # noqa: ANN401 - ProcessTerminated
    how = f"with exit code {error.exitCode}" if error.signal is None else f"by signal {error.signal}"
    ended = f"it ended {how}"
    if stderr.startswith(_NOT_EXECUTED):
        return ended
    words = stderr.decode("utf-8", "replace").strip().partition("\n")[0]
    for each in sorted(_values(arguments), key=len, reverse=True):
        words = words.replace(each, HIDDEN)
    said = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    return f"{ended}: {redact(shorten(said, MAX_REASON_CHARACTERS))}" if said else ended


def _values(arguments: Sequence[str]) -> Iterator[str]:
    """Yield what may be a secret in a command's arguments: all but the names of long options."""
    for argument in arguments:
        option = _OPTION.fullmatch(argument)
        value = argument if option is None else option[2] or ""
        if len(value) >= MIN_HIDDEN_CHARACTERS:
            yield value
