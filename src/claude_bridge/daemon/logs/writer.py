"""Writes log lines in order and never blocks the reactor: what does not fit waits in a bounded queue.

Why no thread: measured with lines of 800 bytes, a write to a pipe that takes them costs the reactor's thread 2.5 us,
handing them to a thread 1 to 2.5 us, and the thread 2.5 to 3.5 us more on the same processor; and a thread that was
started before twistd forks is gone after it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from claude_bridge.daemon.logs.outlet import Outlet

MAX_QUEUED_BYTES: Final = 1024 * 1024
"""Bytes that wait for a reader: some 1,500 requests' lines, a minute of a busy bridge, no burden for a machine."""

MAX_QUEUED_LINES: Final = 5_000
"""Pieces that wait: short ones cost more for being Python objects than for what is in them."""

RETRY_SECONDS: Final = 0.1
"""Seconds between attempts while no line is logged: short for a person, and no load for the processor."""

LAST_SECONDS: Final = 1.0
"""How long all lines at the end may wait together: a reader needs milliseconds, a stopped one must not delay a stop."""

ModelProfile = Callable[[int], bytes]
"""Returns the line that says how many lines are missing in its place."""


@define(eq=False)
class LineWriter:
    """Writes whole lines in their order, and never waits while a reactor runs.

    A pipe may take part of a line, or nothing; the rest waits. When too much waits, new lines are dropped and counted
    until half of it is written, and a note takes their place. So the first lines of a problem are kept, and a slow
    reader does not get a note for each line.
    """

    _outlet: Outlet
    _note: ModelProfile
    _max_bytes: int = MAX_QUEUED_BYTES
    _max_lines: int = MAX_QUEUED_LINES
    _monotonic: Callable[[], float] = time.monotonic
    _waiting: deque[bytes] = field(factory=deque, init=False, repr=False)
    _size: int = field(default=0, init=False)
    _lost: int = field(default=0, init=False)
    _patience: float = field(default=0.0, init=False)
    _reactor: Any = field(default=None, init=False, repr=False)
    _asked: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)
    # Twisted logs from its thread pool too; re-entrant because a signal may arrive while a line is written.
    _lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    def write(self, lines: bytes) -> None:
        """Write whole lines, or keep them for later, or drop and count them."""
        with self._lock:
            if self._is_full():
                self._drain()
            if self._is_full():
                self._lost += lines.count(b"\n")
                return
            self._keep(lines)
            self._drain()

    def attach(self, reactor: Any) -> None:  # noqa: ANN401 - a reactor is many interfaces
        """Have ``reactor`` retry what waits; from now on writing never blocks."""
        with self._lock:
            self._reactor = reactor
            self._drain()

    def detach(self, seconds: float = LAST_SECONDS) -> None:
        """Write what waits and what comes now that no reactor runs, and wait for the reader ``seconds`` in all."""
        with self._lock:
            self._reactor, self._patience = None, seconds
            self._drain()

    def close(self) -> None:
        """Close the outlet; what still waits is lost."""
        with self._lock:
            self._waiting.clear()
            self._outlet.close()

    def _is_full(self) -> bool:
        """Return whether new lines are dropped: too much waits, or not half of that is written yet."""
        return self._lost > 0 or self._size >= self._max_bytes or len(self._waiting) >= self._max_lines

    def _keep(self, lines: bytes) -> None:
        self._waiting.append(lines)
        self._size += len(lines)

    def _drain(self) -> None:
        """Write what waits as far as it fits. A signal's handler that logs in the middle only adds to it."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting and self._written():
                if self._lost and self._is_half_empty():
                    lost, self._lost = self._lost, 0
                    self._keep(self._note(lost))
        finally:
            self._busy = False

    def _written(self) -> bool:
        """Write some of the first that waits; tell whether it is worth trying to go on."""
        first = self._waiting[0]
        try:
            written = self._outlet.write(first)
        except BlockingIOError:
            return self._waited()
        except OSError:  # nobody will read, or the disk is full: there is nobody to tell; the next line tries again
            return False
        self._size -= written
        if written < len(first):
            self._waiting[0] = first[written:]
        else:
            self._waiting.popleft()
            if not self._waiting:
                self._size = 0
        return True

    def _is_half_empty(self) -> bool:
        return self._size <= self._max_bytes // 2 and len(self._waiting) <= self._max_lines // 2

    def _waited(self) -> bool:
        """Wait for the reader if there is nobody to keep from work, else have it tried again later."""
        if self._reactor is not None:
            self._ask()
            return False
        if self._patience <= 0:
            return False
        begun = self._monotonic()
        self._outlet.wait(self._patience)
        self._patience -= self._monotonic() - begun
        return True

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            # any thread may be here
            self._reactor.callFromThread(self._reactor.callLater, RETRY_SECONDS, self._try_again)

    def _try_again(self) -> None:
        with self._lock:
            self._asked = False
            self._drain()
