"""Promises of what signals do, without sending any; the real ones are sent in `tests.end_to_end.test_signals`."""

from __future__ import annotations

import os
import pty
import signal
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.daemon.signals import BACKGROUND, IGNORED, STOPS, Signals, on_terminal


class Reactor(MemoryReactorClock):
    """One that takes calls from signal handlers."""

    def callFromThread(self, function: Any, *arguments: Any, **keywords: Any) -> None:  # noqa: N802 - Twisted's name
        """Call it with the next turn."""
        self.callLater(0, function, *arguments, **keywords)


@define(eq=False)
class Process:
    """The handlers of a process, with those that Twisted would have set, and what came of signals."""

    came: list[object] = field(factory=list)
    handlers: dict[int, Any] = field(factory=dict)
    reactor: Any = field(factory=Reactor)
    in_terminal: bool = False
    at_once: bool = False
    service: Signals = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start as twistd does: services first, then the reactor with its handlers."""
        self.service = Signals(
            self.reactor,
            lambda: self.came.append("give up"),
            lambda: self.came.append("reload"),
            lambda: self.in_terminal,
            self.install,
            lambda number: self.handlers.get(number, signal.SIG_DFL),
        )

    def run(self, **handlers: Any) -> Process:
        """Run, with ``handlers`` (``SIGINT=...``) instead of Twisted's."""
        self.service.startService()
        assert not {signal.SIGTERM, signal.SIGINT} & set(self.handlers), "it took over before Twisted did"
        twisted = {name: lambda number, _: self.came.append(number) for name in ("SIGTERM", "SIGINT")}
        self.handlers.update({signal.Signals[name]: handler for name, handler in {**twisted, **handlers}.items()})
        self.reactor.run()
        return self

    def install(self, number: int, handler: Any) -> Any:
        """Stand in for `signal.signal`; ``at_once`` has one that stops come before it returns."""
        before = self.handlers.get(number, signal.SIG_DFL)
        self.handlers[number] = handler
        if self.at_once and number in STOPS:
            self.at_once = False
            handler(number, None)
        return before

    def send(self, number: int) -> None:
        """Send a signal, and let the reactor turn."""
        self.handlers[number](number, None)
        self.reactor.advance(0)


def told_by(process: Process, number: int) -> list[LogEvent]:
    """Send a signal, and return what the log says of it."""
    told: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        told.append(event)

    globalLogPublisher.addObserver(observe)
    process.send(number)
    globalLogPublisher.removeObserver(observe)
    return told


class StopTests:
    """SIGTERM and SIGINT."""

    def test_first(self) -> None:
        """The first signal does what Twisted makes of it."""
        process = Process().run()
        process.send(signal.SIGINT)
        assert process.came == [signal.SIGINT]

    def test_second(self) -> None:
        """The second one gives up, whichever it is; a third one would end the process by itself."""
        process = Process().run()
        process.send(signal.SIGINT)
        process.send(signal.SIGTERM)
        assert process.came == [signal.SIGINT, "give up"]
        assert [process.handlers[one] for one in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2

    def test_at_the_worst_moment(self) -> None:
        """A signal that comes in the very instant its handler is set stops the daemon as any other does."""
        assert Process(at_once=True, in_terminal=True).run().came == [signal.SIGTERM]

    def test_stop_without_a_signal(self) -> None:
        """Where something else has begun the stop, the first signal is the impatient one."""
        process = Process().run()
        process.service.stopService()
        process.send(signal.SIGTERM)
        assert process.came == ["give up"]

    def test_ignored_in_the_background(self) -> None:
        """A signal that whoever started the daemon had ignored stays ignored."""
        process = Process().run(SIGINT=signal.SIG_IGN)
        assert process.handlers[signal.SIGINT] == signal.SIG_IGN


class HangUpTests:
    """SIGHUP."""

    def test_reloads(self) -> None:
        """It ends nothing: each has the configuration read again."""
        process = Process().run()
        process.send(signal.SIGHUP)
        process.send(signal.SIGHUP)
        assert process.came == ["reload", "reload"]

    def test_in_the_reactor(self) -> None:
        """Nothing is read inside the signal's handler, which runs between any two instructions."""
        process = Process().run()
        process.handlers[signal.SIGHUP](signal.SIGHUP, None)
        assert process.came == []

    def test_terminal(self) -> None:
        """In a terminal it keeps its meaning: the terminal is gone, and what runs in it ends."""
        assert signal.SIGHUP not in Process(in_terminal=True).run().handlers

    def test_on_terminal(self) -> None:
        """One of the standard streams at a terminal is enough."""
        ours, theirs = pty.openpty()
        kept = os.dup(0)
        try:
            os.dup2(theirs, 0)
            assert on_terminal()
        finally:
            os.dup2(kept, 0)
            for descriptor in (kept, ours, theirs):
                os.close(descriptor)


class IgnoredTests:
    """Signals that are meant for other daemons."""

    @pytest.mark.parametrize("number", IGNORED)
    @pytest.mark.parametrize("in_terminal", [False, True])
    def test_is_told(self, number: int, in_terminal: bool) -> None:
        """They end nothing; the log says that nothing came of them, and what does stop the daemon."""
        process = Process(in_terminal=in_terminal).run()
        (event,) = told_by(process, number)
        assert (event["event"], event["signal"]) == ("signal-ignored", signal.Signals(number).name)
        assert "SIGTERM" in formatEvent(event)
        assert process.came == []

    def test_in_the_background(self) -> None:
        """A daemon in the background of a terminal is not halted by the first line that it logs there."""
        process = Process(in_terminal=True).run()
        assert [process.handlers[number] for number in BACKGROUND] == [signal.SIG_IGN] * 2

    @pytest.mark.parametrize("number", [*IGNORED, *BACKGROUND])
    def test_others_decided(self, number: int) -> None:
        """What whoever started the daemon, or a debugger, has made of a signal stays."""
        process = Process()
        process.handlers[number] = theirs = lambda *_: process.came.append("theirs")
        process.run()
        assert process.handlers[number] is theirs
