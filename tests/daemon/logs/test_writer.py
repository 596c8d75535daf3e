"""Promises of `claude_bridge.daemon.logs.writer`: lines in their order, nothing waits, and what is missing is told."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from claude_bridge.daemon.logs.outlet import Outlet
from claude_bridge.daemon.logs.writer import LAST_SECONDS, MAX_QUEUED_BYTES, MAX_QUEUED_LINES, RETRY_SECONDS, LineWriter


@define(eq=False)
class Pipe(Outlet):
    """A pipe that takes only so many bytes, or refuses; ``reads`` is what happens while somebody waits for it."""

    room: int = 0
    written: bytes = b""
    error: int = errno.EAGAIN
    calls: int = 0
    waits: list[float] = field(factory=list)
    reads: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> int:
        """Behave like os.write on a non-blocking pipe."""
        self.calls += 1
        if not self.room:
            raise OSError(self.error, "no")
        part = data[: self.room]
        self.room -= len(part)
        self.written += part
        return len(part)

    def wait(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        self.reads()

    @property
    def lines(self) -> list[str]:
        """Return what was read."""
        return self.written.decode().splitlines()


def pipe(room: int = 0, **more: Any) -> Pipe:
    """Make a pipe."""
    return Pipe(-1, len, room=room, **more)


class ThreadedClock(Clock):
    """A clock that can be called from a thread, as a reactor can."""

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:  # noqa: N802 - Twisted's name
        """Call soon."""
        self.callLater(0, call, *args)


def note(lost: int) -> bytes:
    """Return how many are missing."""
    return b"missing %d\n" % lost


def writer_to(made: Pipe, **more: Any) -> LineWriter:
    """Make a writer."""
    return LineWriter(made, note, **more)


class LineWriterTests:
    """Writing never waits and never fails."""

    def test_at_once(self) -> None:
        """A line that fits is written with one call."""
        made = pipe(100)
        writer_to(made).write(b"first\n")
        assert (made.written, made.calls) == (b"first\n", 1)

    def test_lines_stay_whole(self) -> None:
        """A line that fitted only in part is finished before the next one begins."""
        made = pipe(3)
        writer = writer_to(made)
        writer.write(b"first\n")
        made.room = 100
        writer.write(b"second\n")
        assert made.written == b"first\nsecond\n"

    @given(
        st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=60), st.integers(1, 60), st.integers(1, 6)
    )
    def test_any_reader(self, steps: list[tuple[int, int]], most_bytes: int, most_lines: int) -> None:
        """However slowly somebody reads, whole lines arrive in their order, and each gap tells its exact size."""
        made = pipe()
        writer = writer_to(made, max_bytes=most_bytes, max_lines=most_lines)
        number = 0
        for room, lines in steps:
            made.room = room
            writer.write(b"".join(b"line %d\n" % each for each in range(number, number + lines)))
            number += lines
        made.room = 100_000
        writer._try_again()
        expected = 0
        for line in made.lines:
            word, told = line.split(" ")
            if word == "missing":
                assert int(told) > 0
                expected += int(told)
            else:
                assert int(told) == expected
                expected += 1
        assert expected == number

    def test_what_waits_is_bounded(self) -> None:
        """Nobody reads for a day: neither bytes nor lines pile up beyond their limits."""
        for size, limit in ((1000, MAX_QUEUED_BYTES // 1000 + 1), (10, MAX_QUEUED_LINES)):
            writer = writer_to(pipe())
            for _ in range(2 * MAX_QUEUED_LINES):
                writer.write(b"x" * (size - 1) + b"\n")
            assert len(writer._waiting) == limit
            assert writer._lost == 2 * MAX_QUEUED_LINES - limit

    def test_one_note_for_a_slow_reader(self) -> None:
        """After a gap lines pass again only when half of what waited is gone: no note for each line."""
        made = pipe()
        writer = writer_to(made, max_lines=10)
        for number in range(20):
            writer.write(b"%d\n" % number)
        made.room = 4  # takes two of ten: still no room
        writer.write(b"lost too\n")
        made.room = 8
        writer.write(b"later\n")
        made.room = 1000
        writer.write(b"end\n")
        assert made.lines == [*map(str, range(10)), "missing 11", "later", "end"]

    @pytest.mark.parametrize("error", [errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EIO])
    def test_nobody_reads(self, error: int) -> None:
        """A closed pipe or a full disk stops nobody; a disk that has room again gets what waited."""
        made = pipe(error=error)
        writer = writer_to(made)
        writer.write(b"one\n")
        writer.write(b"two\n")
        made.room = 100
        writer.write(b"three\n")
        assert made.lines == ["one", "two", "three"]

    def test_logged_by_a_signal_in_the_middle(self) -> None:
        """A line that a signal's handler logs while another is written comes after it."""
        made = pipe(100)
        writer = writer_to(made)

        class Interrupted(Pipe):
            def write(self, data: bytes) -> int:
                if data == b"first\n":
                    writer.write(b"by the handler\n")
                return made.write(data)

        writer._outlet = Interrupted(-1, len)
        writer.write(b"first\n")
        assert made.lines == ["first", "by the handler"]

    def test_several_threads(self) -> None:
        """Lines of several threads stay whole."""
        made = pipe(10_000_000)
        writer = writer_to(made)

        def log(name: bytes) -> None:
            for _ in range(500):
                writer.write(name * 10 + b"\n")

        threads = [threading.Thread(target=log, args=(name,)) for name in (b"a", b"b", b"c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(made.lines)) == ["a" * 10, "b" * 10, "c" * 10]
        assert len(made.lines) == 1500

    def test_closed(self) -> None:
        """A writer that is closed lets go of what it opened, and keeps nothing."""
        closed: list[bool] = []
        writer = LineWriter(Outlet(-1, lambda _data: 0, lambda: closed.append(True)), note)
        writer.close()
        assert closed == [True]


class ReactorTests:
    """While a reactor runs."""

    def test_tried_again(self) -> None:
        """What waits is written soon after the reader reads again, although nothing more is logged."""
        clock, made = ThreadedClock(), pipe()
        writer = writer_to(made, max_lines=2)
        writer.attach(clock)
        for number in range(4):
            writer.write(b"%d\n" % number)
        clock.pump([RETRY_SECONDS] * 5)
        assert made.written == b""
        made.room = 1000
        clock.pump([RETRY_SECONDS] * 2)
        assert made.lines == ["0", "1", "missing 2"]
        assert made.waits == []
        assert clock.getDelayedCalls() == []

    def test_nothing_runs_where_all_is_well(self) -> None:
        """Nothing is tried again where nothing waits, or where nobody will ever read."""
        clock = ThreadedClock()
        for made in (pipe(100), pipe(error=errno.EPIPE)):
            writer = writer_to(made)
            writer.attach(clock)
            writer.write(b"line\n")
            assert clock.getDelayedCalls() == []

    def test_what_waited_before(self) -> None:
        """What could not be written before the reactor ran is tried again too."""
        clock, made = ThreadedClock(), pipe()
        writer = writer_to(made)
        writer.write(b"early\n")
        assert made.waits == []
        writer.attach(clock)
        made.room = 100
        clock.pump([RETRY_SECONDS] * 2)
        assert made.lines == ["early"]


class EndTests:
    """When no reactor runs any more."""

    def test_the_last_lines_wait(self) -> None:
        """What waits at the end, and what is logged after it, waits for the reader, for a moment in all."""
        clock, made = Clock(), pipe()
        writer = writer_to(made, monotonic=clock.seconds)
        writer.write(b"one\n")

        def reads() -> None:
            clock.advance(0.4)
            made.room = 4

        made.reads = reads
        writer.detach()
        writer.write(b"two\n")
        assert made.lines == ["one", "two"]
        writer.write(b"six\n")
        writer.write(b"ten\n")
        assert made.lines == ["one", "two", "six"]
        assert made.waits == pytest.approx([1.0, 0.6, 0.2])
        assert LAST_SECONDS == 1.0

    def test_nobody_reads_at_the_end(self) -> None:
        """A reader that never comes back delays the end by no more than that moment."""
        clock, made = Clock(), pipe()
        made.reads = lambda: clock.advance(made.waits[-1])
        writer = writer_to(made, monotonic=clock.seconds)
        writer.attach(ThreadedClock())
        for _ in range(10):
            writer.write(b"line\n")
        writer.detach()
        for _ in range(10):
            writer.write(b"line\n")
        assert made.waits == [LAST_SECONDS]
