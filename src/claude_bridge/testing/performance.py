"""Performs an answer of a scripted backend: one step after the other, as the reactor and the socket allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import define
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall, Step
from claude_bridge.testing.received import Received

__all__ = ["Performance"]


@implementer(IPushProducer)
@define(eq=False)
class Performance:
    """One answer on its way: takes the next step when the reactor and the socket allow."""

    _clock: IReactorTime
    _monotonic: Callable[[], float]
    _request: Request
    _received: Received
    _steps: Iterator[Step]
    _paused: bool = False
    _later: IDelayedCall | None = None

    def begin(self, answer: Answer) -> None:
        """Set the head and take the first step."""
        self._request.notifyFinish().addErrback(self._lost)
        transport: Any = self._request.transport
        transport.setTcpNoDelay(True)  # each step is a packet of its own
        self._request.setResponseCode(answer.status)
        for name, value in answer.headers:
            self._request.responseHeaders.addRawHeader(name, value)
        self._request.registerProducer(self, True)
        self._wait(
            0
        )  # a later turn: the reactor runs timers before it writes, so a cut would overtake this turn's write

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Wait: the socket takes no more."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Go on, unless a pause of the script has still to end."""
        self._paused = False
        if self._later is None and not self._is_over:
            self._wait(0)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: `_lost` is called too."""
        self._paused = True

    @property
    def _is_over(self) -> bool:
        return self._received.ended is not None or self._received.gone is not None

    def _wait(self, seconds: float) -> None:
        self._later = self._clock.callLater(seconds, self._step)

    def _step(self) -> None:
        self._later = None
        if self._paused or self._is_over:
            return
        match next(self._steps):
            case Send(data):
                self._request.write(data)
                self._received.sent += len(data)
                if not self._paused:
                    self._wait(0)  # a turn of the reactor writes what was given
            case Pause(seconds):
                self._wait(seconds)
            case Cut(reset):
                self._cut(reset)
            case Stall():
                self._stall()
            case _:
                self._end()

    def _stall(self) -> None:
        self._steps = iter(Stall, None)  # should the socket resume us, we stall again

    def _cut(self, reset: bool) -> None:
        self._received.over(ended=self._monotonic())
        self._request.unregisterProducer()
        channel: Any = self._request.channel
        if reset:
            channel.transport.abortConnection()
        else:
            channel.loseConnection()

    def _end(self) -> None:
        self._request.unregisterProducer()
        self._request.finish()
        self._received.over(ended=self._monotonic())

    def _lost(self, _reason: object) -> None:
        self._received.over(gone=self._monotonic())
        if self._later is not None:
            self._later.cancel()
            self._later = None
