"""Writes events of `twisted.logger` as lines to a descriptor: chooses the events and their format."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from claude_bridge.config.schema import Log, LogFormat
from claude_bridge.daemon.logs.outlet import outlet
from claude_bridge.daemon.logs.render import Redact, json_line, level_of, text_line
from claude_bridge.daemon.logs.writer import LineWriter

Render = Callable[[LogEvent], str]

RANKS: Final = {"debug": 0, "info": 1, "warn": 2, "error": 3, "critical": 4}
PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""syslog's severities, as sd-daemon(3) wants them in front of a line."""


@frozen
class Form:
    """The format of events.

    :ivar prefixed: put systemd's ``<N>`` in front of each line.
    """

    _render: Render
    prefixed: bool = False

    def lines(self, event: LogEvent) -> bytes:
        """Return the lines of an event, each with its end."""
        text = self._render(event)
        if self.prefixed:
            priority = f"<{PRIORITIES[level_of(event)]}>"
            text = "\n".join(priority + line for line in text.split("\n"))
        return text.encode("utf-8", "replace") + b"\n"

    def note(self, lost: int) -> bytes:
        """Return the line that says how many lines are missing where it stands."""
        return self.lines(
            {
                "event": "log-lines-lost",
                "lost": lost,
                "log_time": time.time(),
                "log_level": LogLevel.warn,
                "log_format": "{lost} log lines are missing here: they were not read in time",
            }
        )


@implementer(ILogObserver)
@define(eq=False)
class LineObserver:
    """Writes every event that is important enough.

    :ivar minimum: the least important level to write, which may be changed at any time.
    """

    writer: LineWriter
    form: Form
    minimum: str = "info"

    def __call__(self, event: LogEvent) -> None:
        """Receive one event."""
        if RANKS[level_of(event)] >= RANKS[self.minimum]:
            self.writer.write(self.form.lines(event))


def under_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Return whether ``descriptor`` leads to the journal: ``$JOURNAL_STREAM`` names its device and inode."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def coloured(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Return whether to use colour: only on a terminal, and not against ``$NO_COLOR`` or ``TERM=dumb``."""
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and os.isatty(descriptor)


def for_a_person(form: LogFormat, descriptor: int) -> bool:
    """Return whether ``form`` means text on ``descriptor``."""
    return form == "text" or (form == "auto" and os.isatty(descriptor))


def observer(log: Log, redact: Redact, environ: Mapping[str, str], descriptor: int = 2) -> LineObserver:
    """Make the observer that ``log`` asks for. What still waits when the process ends is written then."""
    colour, journal = coloured(descriptor, environ), under_journal(descriptor, environ)

    def as_text(event: LogEvent) -> str:
        return text_line(event, redact, colour=colour, dated=not journal)

    def as_json(event: LogEvent) -> str:
        return json_line(event, redact)

    render = as_text if for_a_person(log.format, descriptor) else as_json
    form = Form(render, prefixed=journal)
    writer = LineWriter(outlet(descriptor), form.note)
    atexit.register(writer.detach)
    return LineObserver(writer, form, minimum=log.level)
