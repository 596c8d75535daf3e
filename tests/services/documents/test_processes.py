"""The processes that tests play keep the promises of real ones."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.services.documents.processes import FakeProcess, FakeProcesses

ECHO = "import sys; print(sys.stdin.read(), end='', flush=True); print('oops', file=sys.stderr)"
WAIT = "import time; print('here', flush=True); time.sleep(60)"
FAIL = "import sys; print('bad', flush=True); sys.exit(3)"


@define(eq=False)
class Seen(ProcessProtocol):
    """Notes what a process does."""

    transport: IProcessTransport = field(init=False)
    made: bool = False
    out: bytes = b""
    err: bytes = b""
    said: Deferred[None] = field(factory=Deferred)
    ended: Deferred[BaseException | None] = field(factory=Deferred)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.made = True

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.out += data
        if not self.said.called:
            self.said.callback(None)

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.err += data

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.ended.callback(reason.value)


Spawn = Callable[[Seen, str, Callable[[FakeProcess], None]], None]


def real(seen: Seen, script: str, _play: Callable[[FakeProcess], None]) -> None:
    """Run the script."""
    from twisted.internet import reactor

    reactor.spawnProcess(seen, sys.executable, [sys.executable, "-I", "-c", script], env={})


def fake(seen: Seen, script: str, play: Callable[[FakeProcess], None]) -> None:
    """Play what the script does, a moment later."""
    from twisted.internet import reactor

    processes = FakeProcesses()
    processes.spawnProcess(seen, sys.executable, [sys.executable, "-I", "-c", script], env={})
    reactor.callLater(0, play, processes.started[0])


@pytest.mark.parametrize("spawn", [real, fake])
class ProcessTests:
    """Both kinds."""

    @pytest_twisted.ensureDeferred
    async def test_input_and_output(self, spawn: Spawn) -> None:
        """A process gets its input whole, its output comes before its end, and a good end is one."""

        def echo(process: FakeProcess) -> None:
            assert process.input_closed
            process.out(process.written)
            process.err(b"oops\n")
            process.ends()

        seen = Seen()
        spawn(seen, ECHO, echo)
        assert seen.made
        seen.transport.write(b"a")
        seen.transport.write(b"b")
        seen.transport.closeStdin()
        end = await seen.ended
        assert (seen.out, seen.err) == (b"ab", b"oops\n")
        assert isinstance(end, ProcessDone)

    @pytest_twisted.ensureDeferred
    async def test_killed(self, spawn: Spawn) -> None:
        """A process that is killed ends a moment later, by that signal; then it cannot be killed any more."""

        def wait(process: FakeProcess) -> None:
            process.out(b"here\n")
            process.ends()

        seen = Seen()
        spawn(seen, WAIT, wait)
        await seen.said
        seen.transport.signalProcess("KILL")
        assert not seen.ended.called
        end = await seen.ended
        assert isinstance(end, ProcessTerminated)
        assert (end.signal, end.exitCode) == (9, None)
        with pytest.raises(ProcessExitedAlready):
            seen.transport.signalProcess("KILL")

    @pytest_twisted.ensureDeferred
    async def test_failed(self, spawn: Spawn) -> None:
        """A process that fails ends with its status."""

        def fail(process: FakeProcess) -> None:
            process.out(b"bad\n")
            process.ends(3)

        seen = Seen()
        spawn(seen, FAIL, fail)
        end = await seen.ended
        assert isinstance(end, ProcessTerminated)
        assert (end.signal, end.exitCode) == (None, 3)
