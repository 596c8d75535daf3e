"""Child processes played by the test; held against real ones in `test_processes`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, AnyStr, cast

from attrs import define, field
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess
from twisted.python.failure import Failure
from zope.interface import implementer


@define(eq=False)
class FakeProcess:
    """A process that does what the test says.

    :ivar killed: whether it was; it ends when the test says so, as a real one does not end at once.
    """

    protocol: IProcessProtocol
    command: Sequence[str]
    environment: Mapping[Any, Any] | None
    written: bytes = b""
    input_closed: bool = False
    killed: bool = False
    over: bool = False
    pid: int = 1

    def write(self, data: bytes) -> None:
        """Take input."""
        assert not self.input_closed
        self.written += data

    def closeStdin(self) -> None:  # noqa: N802 - Twisted's name
        """Take no more input."""
        self.input_closed = True

    def signalProcess(self, signalID: str | int) -> None:  # noqa: N802, N803 - Twisted's names
        """Be killed; nothing else is asked for."""
        if self.over:
            raise ProcessExitedAlready
        assert signalID == "KILL"
        self.killed = True

    def says(self, *reports: object) -> None:
        """Say reports, each as a line."""
        self.out(b"".join(json.dumps(report).encode() + b"\n" for report in reports))

    def out(self, data: bytes) -> None:
        """Write to the standard output."""
        self.protocol.childDataReceived(1, data)

    def err(self, data: bytes) -> None:
        """Write to the standard error output."""
        self.protocol.childDataReceived(2, data)

    def ends(self, status: int = 0, signal: int | None = None) -> None:
        """End, with a status or by a signal; if it was killed, by that."""
        self.over = True
        signal = 9 if self.killed else signal
        done = status == 0 and signal is None
        reason = ProcessDone(0) if done else ProcessTerminated(None if signal else status, signal, None)
        self.protocol.processEnded(Failure(reason))


@implementer(IReactorProcess)
@define
class FakeProcesses:
    """A reactor whose processes are played by the test.

    :ivar refusal: raised instead of starting one.
    """

    started: list[FakeProcess] = field(factory=list)
    refusal: OSError | None = None

    def spawnProcess(  # noqa: N802, PLR0917 - Twisted's name and arguments
        self,
        processProtocol: IProcessProtocol,  # noqa: N803 - the same
        executable: bytes | str,
        args: Sequence[bytes | str],
        env: Mapping[AnyStr, AnyStr] | None = None,
        path: bytes | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,  # noqa: N803 - the same
        childFDs: Mapping[int, int | str] | None = None,  # noqa: N803 - the same
    ) -> IProcessTransport:
        """Start one, as the same user and with three pipes."""
        if self.refusal is not None:
            raise self.refusal
        assert executable == args[0]
        assert {path, uid, gid} == {None}
        assert not usePTY
        assert childFDs is None
        process = FakeProcess(processProtocol, [str(arg) for arg in args], env)
        self.started.append(process)
        transport = cast("IProcessTransport", process)
        processProtocol.makeConnection(transport)
        return transport
