"""Child processes that announce an address, keep their last words, and never outlive this process.

A child has a pipe as its standard input and ends when that closes, which the kernel sees to even if this process is
killed. It runs in a session of its own, so that Ctrl-C in the terminal reaches this process alone.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Final

from attrs import define, field, frozen

Recognise = Callable[[str], str | None]

# What is shown of a child that failed: a traceback and some lines before it.
TAIL_LINES: Final = 15
# The longest line kept; longer ones are cut into several.
LINE_LIMIT: Final = 2_000
# A model of 100 MB is loaded in a second from a warm disk; a minute allows for a cold and busy one.
START_SECONDS: Final = 60.0
# The bridge waits `drain_timeout` (1 s in the demonstration) for answers under way, then it has to be gone.
STOP_SECONDS: Final = 8.0


@frozen
class ExpectedFailure(Exception):
    """An expected failure: no network, no disk, a child that died. ``str()`` is for the user.

    :ivar tail: the last lines of whoever failed.
    """

    message: str
    tail: Iterable[str] = ()

    def __str__(self) -> str:
        """Return the message, and the lines below it."""
        return "\n".join([self.message, *(f"    {line}" for line in self.tail)])


@define
class Child:
    """A running child process.

    :ivar name: what the user may call it.
    :ivar any_ended: set when any child that shares it has ended.
    """

    name: str
    _process: subprocess.Popen[str]
    _recognise: Recognise
    any_ended: threading.Event
    _address: str | None = None
    _announced: threading.Event = field(factory=threading.Event)
    _ended: threading.Event = field(factory=threading.Event)
    _tail: deque[str] = field(factory=lambda: deque(maxlen=TAIL_LINES))
    _reader: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin to read what the child says."""
        self._reader = threading.Thread(target=self._read, name=f"read {self.name}", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        """Whether the child has closed its output, which it does by ending."""
        return self._ended.is_set()

    def address(self, seconds: float = START_SECONDS) -> str:
        """Wait for the child's address. Raises `ExpectedFailure` if it ends or stays silent instead."""
        self._announced.wait(seconds)
        if self._address is None:
            raise self.failure() if self.ended else self._silent(seconds)
        return self._address

    def failure(self) -> ExpectedFailure:
        """Return how an unwanted end came about."""
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return ExpectedFailure(f"{self.name} closed its output; its last lines:", tuple(self._tail))
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with exit status {status}"
        return ExpectedFailure(f"{self.name} {how}; its last lines:", tuple(self._tail))

    def _silent(self, seconds: float) -> ExpectedFailure:
        return ExpectedFailure(f"{self.name} did not start within {seconds:.0f} s; its last lines:", tuple(self._tail))

    def stop(self) -> None:
        """End the child: first by closing its input, then by force. Does nothing to one that has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_SECONDS)

    def _read(self) -> None:
        """Collect lines until the end; runs in a thread of its own."""
        output: IO[str] | None = self._process.stdout
        if output is not None:
            with output:
                for line in iter(lambda: output.readline(LINE_LIMIT), ""):
                    self._take(line.rstrip("\r\n"))
        self._ended.set()
        self._announced.set()
        self.any_ended.set()

    def _take(self, line: str) -> None:
        self._tail.append(line)
        if self._address is None:
            self._address = self._recognise(line)
            if self._address is not None:
                self._announced.set()


def start(
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    recognise: Recognise,
    any_ended: threading.Event,
) -> Child:
    """Start ``command``. ``recognise`` gives the address out of the line that announces it, for others None.

    Raises `ExpectedFailure` if it cannot be started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ExpectedFailure(f"{name} cannot be started: {error}") from error
    return Child(name, process, recognise, any_ended)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
