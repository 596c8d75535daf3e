"""Promises of the log as a whole: which lines, in which form, on which descriptor."""

from __future__ import annotations

import os
import pty
import re
import sys
import warnings
from typing import Any

import pytest
from twisted.logger import LogBeginner, Logger, LogPublisher

from claude_bridge.config.schema import Log
from claude_bridge.daemon.logs.observer import Form, coloured, observer, under_journal
from claude_bridge.daemon.logs.render import json_line
from tests.daemon.logs.test_render import collector, failure, read, unchanged


class ObserverTests:
    """The observer as a whole."""

    def lines(self, log: Log, environ: dict[str, str] | None = None) -> list[str]:
        """Log one line a level and read what came out of a pipe."""
        reader, descriptor = os.pipe()
        details = os.fstat(descriptor)
        environ = {"JOURNAL_STREAM": f"{details.st_dev}:{details.st_ino}"} if environ is None else environ
        made = observer(log, unchanged, environ, descriptor)
        logger = Logger("tests", observer=made)
        logger.debug("d")
        logger.info("i")
        logger.warn("w")  # noqa: G010 - Twisted's name
        logger.error("e")
        logger.failure("f", failure())
        made.writer.close()
        os.close(descriptor)
        with os.fdopen(reader) as stream:
            return stream.read().splitlines()

    @pytest.mark.parametrize(
        ("level", "shown"), [("debug", "diwef"), ("info", "iwef"), ("warn", "wef"), ("error", "ef")]
    )
    def test_level(self, level: Any, shown: str) -> None:
        """Only what is at least as important as the configured level is written."""
        assert "".join(read(line)["message"] for line in self.lines(Log(level=level), {})) == shown

    def test_priorities_for_the_journal(self) -> None:
        """Under systemd each line begins with its priority."""
        assert [line[:4] for line in self.lines(Log(level="debug"))] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{"]

    def test_traceback_in_the_journal(self) -> None:
        """In text each line of a traceback has the priority of its error."""
        lines = self.lines(Log(level="error", format="text"))
        assert len(lines) > 4
        assert all(line.startswith("<2>    ") for line in lines[2:])

    def test_the_journal_has_dates_of_its_own(self) -> None:
        """In text under systemd a line begins with its level; elsewhere with the date."""
        assert self.lines(Log(level="error", format="text"))[0] == "<3>error    log              e"
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d error ", self.lines(Log(level="error", format="text"), {})[0])

    @pytest.mark.parametrize(("form", "text"), [("auto", True), ("text", True), ("json", False)])
    def test_format_on_a_terminal(self, form: Any, text: bool) -> None:
        """On a terminal the lines are for a person, unless the configuration says otherwise."""
        reader, terminal = pty.openpty()
        made = observer(Log(format=form), unchanged, {}, terminal)
        Logger("tests", observer=made).info("hello")
        line = os.read(reader, 1000).decode()
        made.writer.close()
        os.close(reader)
        os.close(terminal)
        assert ("hello" in line, line.startswith("{")) == (True, not text)

    def test_default_format_elsewhere(self) -> None:
        """Where nobody looks, the lines are for programs."""
        assert [read(line)["message"] for line in self.lines(Log(format="auto", level="error"), {})] == ["e", "f"]

    def test_other_stream_than_the_journal(self) -> None:
        """Without the journal at this very stream there is no priority."""
        assert all(line.startswith("{") for line in self.lines(Log(), {"JOURNAL_STREAM": "1:2"}))
        assert not under_journal(-1, {"JOURNAL_STREAM": "1:2"})

    def test_colour_only_on_a_terminal(self) -> None:
        """Colour is for terminals, and NO_COLOR or a dumb terminal forbids it."""
        reader, descriptor = os.pipe()
        terminal, other = pty.openpty()
        try:
            assert not coloured(descriptor, {})
            assert coloured(other, {"TERM": "xterm", "NO_COLOR": ""})
            assert not coloured(other, {"NO_COLOR": "1"})
            assert not coloured(other, {"TERM": "dumb"})
        finally:
            for opened in (reader, descriptor, terminal, other):
                os.close(opened)

    def test_missing_lines_are_told_in_the_same_form(self) -> None:
        """The line that says how many are missing looks like all others, with its priority."""
        told = Form(lambda event: json_line(event, unchanged), prefixed=True).note(7).decode()
        found = read(told.removeprefix("<4>"))
        assert (found["level"], found["event"], found["lost"]) == ("warn", "log-lines-lost", 7)
        assert found["message"].startswith("7 log lines are missing here")
        assert told.endswith("}\n")

    def test_warnings_and_prints(self) -> None:
        """Python's warnings and prints of foreign code become lines of the log."""

        class Streams:
            """Stands for the sys module."""

            stdout: Any = sys.stdout
            stderr: Any = sys.stderr

        lines: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            beginner = LogBeginner(LogPublisher(), sys.stderr, Streams, warnings)
            beginner.beginLoggingTo([collector(lines)])
            warnings.warn("old thing", UserWarning, stacklevel=1)
            Streams.stdout.write("printed\n")
            Streams.stderr.write("shouted\n")
        warned, printed, shouted = (read(line) for line in lines)
        assert "UserWarning: old thing" in warned["message"]
        assert (printed["message"], printed["logger"], printed["level"]) == ("printed", "stdout", "info")
        assert (shouted["message"], shouted["logger"], shouted["level"]) == ("shouted", "stderr", "error")
