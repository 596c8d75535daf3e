"""Every line on standard error is one JSON object, or readable text, and carries no secret."""

from __future__ import annotations

import errno
import json
import os
import pty
import socket
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogBeginner, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.python.log import LogPublisher as LegacyLogPublisher

from claude_bridge import logs
from claude_bridge.config.schema import Backend, ClientKey, Config, Log, WebSearch
from claude_bridge.config.secret import Secret

read = json.JSONDecoder().decode


def unchanged(text: str) -> str:
    """Redact nothing."""
    return text


def failure(message: str = "boom") -> Failure:
    """Make a failure that has a traceback."""
    try:
        raise ValueError(message)  # noqa: TRY301 - the traceback is the point
    except ValueError:
        return Failure()


def collector(lines: list[str], redact: logs.Redact = unchanged) -> ILogObserver:
    """Make an observer that collects JSON lines."""
    return cast("ILogObserver", lambda event: lines.append(logs.json_line(event, redact)))


def rendered(log_call: Callable[[Logger], object], redact: logs.Redact = unchanged) -> dict[str, Any]:
    """Log something and read back its JSON line."""
    lines: list[str] = []
    log_call(Logger("tests", observer=collector(lines, redact)))
    (line,) = lines
    found: dict[str, Any] = read(line)
    return found


class JsonLineTests:
    """The JSON format."""

    def test_fields(self) -> None:
        """A line has time, level, event, message and the call's own values, in this order."""
        found = rendered(lambda log: log.info("on {host}:{port}", event="listening", host="::1", port=8080))
        time = found.pop("time")
        assert list(found.items()) == [
            ("level", "info"),
            ("event", "listening"),
            ("message", "on ::1:8080"),
            ("host", "::1"),
            ("port", 8080),
        ]
        assert time.endswith("Z")
        assert len(time) == len("2026-01-01T00:00:00.000Z")

    def test_time_is_utc_with_milliseconds(self) -> None:
        """The time is RFC 3339 in UTC, whatever the local zone."""
        line = read(logs.json_line({"log_time": 1_767_225_600.0625}, unchanged))
        assert line["time"] == "2026-01-01T00:00:00.062Z"

    def test_line_without_event(self) -> None:
        """Somebody else's log call is called `log` and says where it came from."""
        found = rendered(lambda log: log.warn("hello"))  # noqa: G010 - Twisted's name
        assert (found["event"], found["logger"], found["level"]) == ("log", "tests", "warn")

    def test_objects_stay_out(self) -> None:
        """Values that are no plain data, secrets and bytes among them, are left out rather than printed."""
        found = rendered(
            lambda log: log.info("x", event="e", secret=Secret("hidden-value"), raw=b"x", thing=object(), n=[1, b"y"])
        )
        assert set(found) == {"time", "level", "event", "message", "n"}
        assert found["n"] == [1]

    def test_nested_values(self) -> None:
        """Lists and mappings of plain values are kept, what is not finite becomes text."""
        found = rendered(lambda log: log.info("x", attempts=[{"status": 503, "seconds": float("inf")}], none=None))
        assert found["attempts"] == [{"status": 503, "seconds": "inf"}]
        assert found["none"] is None

    def test_own_fields_cannot_be_overwritten(self) -> None:
        """A value named like one of our fields does not replace it."""
        found = rendered(lambda log: log.info("true", event="e", time="never", message="false"))
        assert found["message"] == "true"
        assert found["time"] != "never"

    def test_failure(self) -> None:
        """A failure becomes its error and its traceback."""
        found = rendered(lambda log: log.failure("serving {what} failed", failure(), what="it"))
        assert (found["level"], found["message"], found["error"]) == (
            "critical",
            "serving it failed",
            "ValueError: boom",
        )
        assert "raise ValueError(message)" in found["traceback"]

    def test_legacy_error(self) -> None:
        """An error logged by Twisted's old functions has its message, and its traceback only once."""
        lines: list[str] = []
        publisher = LogPublisher(collector(lines))
        legacy = LegacyLogPublisher(observerPublisher=publisher, publishPublisher=publisher)
        legacy.msg("plain", system="old")
        legacy.msg(failure=failure(), why="it broke", isError=1)
        plain, error = (read(line) for line in lines)
        assert plain["message"] == "plain"
        assert (error["level"], error["message"], error["error"]) == ("critical", "it broke", "ValueError: boom")

    def test_never_too_long_for_the_journal(self) -> None:
        """A line stays below journald's limit however much was logged, and says that it was cut."""
        text = "\U0001f600" * 10_000
        found = rendered(lambda log: log.info("{a}", event="e", a=text, b=[text] * 50))
        assert found["truncated"] is True
        assert found["message"].startswith("\U0001f600")

    def test_traceback_keeps_its_end(self) -> None:
        """Of a very long traceback the end is kept, where the cause is."""
        found = rendered(lambda log: log.failure("x", failure("a" * 20_000 + "the cause")))
        assert len(found["traceback"]) <= logs.MAX_TRACEBACK
        assert found["traceback"].rstrip().endswith("the cause")

    @given(
        st.text(),
        st.dictionaries(
            st.text(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            ),
        ),
    )
    def test_always_one_valid_line(self, message: str, values: dict[str, object]) -> None:
        """Whatever is logged, the line is one line of strict JSON."""
        event = {**values, "log_format": "{m}", "m": message, "log_level": LogLevel.info, "log_time": 1.0}
        line = logs.json_line(event, unchanged)
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= logs.MAX_LINE
        strict = json.JSONDecoder(parse_constant=pytest.fail)
        assert strict.decode(line)["level"] == "info"


SECRETS = st.text("abcdefgh123456\"'\\ü /", min_size=logs.SHORTEST_SECRET).filter(
    lambda text: len(text.strip()) >= logs.SHORTEST_SECRET
)


class RedactionTests:
    """No secret ever."""

    @given(SECRETS, st.text("xyz "), st.text("xyz "))
    def test_no_secret_in_any_field(self, secret: str, before: str, after: str) -> None:
        """A secret shows in no field of a line: message, value, key, nested value, error or traceback."""
        redact = logs.redaction([Secret(secret)])
        text = before + secret + after
        event = {
            "log_format": "{value}", "log_level": LogLevel.error, "log_time": 1.0, "event": text, "value": text,
            text: [text, {text: text}], "shown": repr(text), "coded": json.dumps(text), "log_failure": failure(text),
        }  # fmt: skip
        line = read(logs.json_line(event, redact))
        shown = logs.text_line(event, redact, colour=False)
        for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
            assert not any(form in part for part in strings(line))
            assert form not in shown

    def test_longest_first(self) -> None:
        """A secret that begins with another one leaves no tail."""
        redact = logs.redaction([Secret("token"), Secret("token-and-more")])
        assert redact("<token-and-more> <token>") == "<***> <***>"

    def test_in_a_url(self) -> None:
        """A secret is found in a URL too."""
        assert logs.redaction([Secret("se cret/x")])("http://h/?k=se%20cret%2Fx") == "http://h/?k=***"

    def test_unknown_credentials(self) -> None:
        """What is shaped like a credential is blanked although nobody told of it."""
        redact = logs.redaction([])
        assert redact("Authorization: Bearer abc.def-12345") == "Authorization: ***"
        assert redact("key sk-ant-api03-aaaaaaaaaaaa was refused") == "key *** was refused"
        assert redact("risk-free bearer bonds") == "risk-free bearer bonds"

    def test_secrets_of_a_configuration(self) -> None:
        """Backend keys, backend headers, client keys and the search engine's are all known secrets."""
        config = Config(
            backends={"b": Backend(name="b", api_key=Secret("backend-key"), headers=(("X-Key", "header-key"),))},
            keys={"k": ClientKey(name="k", secret=Secret("client-key"))},
            web_search=WebSearch(engine="brave", api_key=Secret("search-key")),
        )
        known = [secret.reveal() for secret in logs.secrets_of(config)]
        assert known == ["backend-key", "header-key", "client-key", "search-key"]


def strings(value: object) -> list[str]:
    """Give every string in a decoded JSON value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return []


class TextLineTests:
    """The format for people."""

    def test_short_and_aligned(self) -> None:
        """A line shows the time, the level, the event and the message, in columns."""
        lines = [
            logs.text_line(
                {"log_format": "hello", "log_level": level, "log_time": 1.5, "event": event}, unchanged, colour=False
            )
            for level, event in ((LogLevel.info, "listening"), (LogLevel.error, "x"))
        ]
        assert lines[0][8:] == ".500 info     listening        hello"
        assert lines[1][8:] == ".500 error    x                hello"

    def test_colour(self) -> None:
        """Only the level is coloured, and only where asked."""
        event = {"log_format": "hello", "log_level": LogLevel.warn, "log_time": 1.5}
        assert "\x1b[33mwarn    \x1b[0m log" in logs.text_line(event, unchanged, colour=True)
        assert "\x1b" not in logs.text_line(event, unchanged, colour=False)

    def test_nobody_can_forge_a_line(self) -> None:
        """Line ends and escape sequences in what a client sent are spelled out."""
        event = {
            "log_format": "{name}",
            "name": "a\n12:00 info \x1b[2J\u2028",
            "log_level": LogLevel.info,
            "log_time": 1.0,
        }
        assert logs.text_line(event, unchanged, colour=False).endswith(r"a\n12:00 info \x1b[2J\u2028")

    def test_traceback_is_indented(self) -> None:
        """A traceback follows its line."""
        event = {"log_format": "x", "log_failure": failure(), "log_level": LogLevel.critical, "log_time": 1.0}
        first, *rest = logs.text_line(event, unchanged, colour=False).split("\n")
        assert first.endswith("x")
        assert rest[-1] == "    builtins.ValueError: boom"


@define
class Pipe:
    """A descriptor that takes only so many bytes, or refuses."""

    room: int
    written: bytes = b""
    error: int = errno.EAGAIN

    def write(self, _descriptor: int, data: bytes) -> int:
        """Behave like os.write on a non-blocking pipe."""
        if not self.room:
            raise OSError(self.error, "no")
        part = data[: self.room]
        self.room -= len(part)
        self.written += part
        return len(part)


class LineWriterTests:
    """Writing never waits and never fails."""

    def test_lines_stay_whole(self) -> None:
        """A line that fitted only in part is finished before the next one begins."""
        pipe = Pipe(room=3)
        writer = logs.LineWriter(2, write=pipe.write)
        writer.write_line("first")
        pipe.room = 100
        writer.write_line("second")
        assert pipe.written == b"first\nsecond\n"
        assert writer.lost == 0

    @given(st.lists(st.integers(0, 12)))
    def test_any_reader(self, rooms: list[int]) -> None:
        """However slowly somebody reads, only whole lines arrive, in order, and the rest is counted."""
        pipe = Pipe(room=0)
        writer = logs.LineWriter(2, write=pipe.write)
        for number, room in enumerate(rooms):
            pipe.room = room
            writer.write_line(f"line {number}")
        pipe.room = 1000
        writer.write_line("end")
        lines = pipe.written.decode().splitlines()
        assert lines[-1] == "end"
        numbers = [int(line.removeprefix("line ")) for line in lines[:-1]]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + writer.lost == len(rooms)

    @pytest.mark.parametrize("error", [errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EIO])
    def test_nobody_reads(self, error: int) -> None:
        """A closed pipe or a full disk stops nobody, and nothing piles up."""
        writer = logs.LineWriter(2, write=Pipe(room=0, error=error).write)
        for _ in range(1000):
            writer.write_line("x" * 1000)
        assert writer.lost == 999

    def test_real_closed_pipe(self) -> None:
        """The daemon goes on when whoever read its log is gone."""
        reader, descriptor = os.pipe()
        os.close(reader)
        writer = logs.LineWriter(descriptor)
        writer.write_line("one")
        writer.write_line("two")
        os.close(descriptor)
        assert writer.lost == 1


class ObserverTests:
    """The observer as a whole."""

    def lines(self, log: Log, environ: dict[str, str] | None = None) -> list[str]:
        """Log one line a level and read what came out of a pipe."""
        reader, descriptor = os.pipe()
        details = os.fstat(descriptor)
        environ = {"JOURNAL_STREAM": f"{details.st_dev}:{details.st_ino}"} if environ is None else environ
        logger = Logger("tests", observer=logs.observer(log, unchanged, environ, descriptor))
        logger.debug("d")
        logger.info("i")
        logger.warn("w")  # noqa: G010 - Twisted's name
        logger.error("e")
        logger.failure("f", failure())
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

    @pytest.mark.parametrize(("form", "text"), [("auto", True), ("text", True), ("json", False)])
    def test_format_on_a_terminal(self, form: Any, text: bool) -> None:
        """On a terminal the lines are for a person, unless the configuration says otherwise."""
        reader, terminal = pty.openpty()
        Logger("tests", observer=logs.observer(Log(format=form), unchanged, {}, terminal)).info("hello")
        line = os.read(reader, 1000).decode()
        os.close(reader)
        os.close(terminal)
        assert ("hello" in line, line.startswith("{")) == (True, not text)

    def test_default_format_elsewhere(self) -> None:
        """Where nobody looks, the lines are for programs."""
        assert [read(line)["message"] for line in self.lines(Log(format="auto", level="error"), {})] == ["e", "f"]

    def test_other_stream_than_the_journal(self) -> None:
        """Without the journal at this very stream there is no priority."""
        assert all(line.startswith("{") for line in self.lines(Log(), {"JOURNAL_STREAM": "1:2"}))
        assert not logs.under_journal(-1, {"JOURNAL_STREAM": "1:2"})

    def test_lost_lines_are_reported(self) -> None:
        """After lines were lost the log says how many, once lines pass again."""
        pipe = Pipe(room=0)
        observer = logs.LineObserver(
            logs.LineWriter(2, write=pipe.write), lambda event: logs.json_line(event, unchanged)
        )
        logger = Logger("tests", observer=observer)
        for name in ("held", "lost", "lost"):
            logger.info(name)
        pipe.room = 10_000
        logger.info("seen")
        logger.info("quiet")
        found = [read(line) for line in pipe.written.decode().splitlines()]
        assert [line["message"] for line in found] == ["held", "seen", "2 log lines could not be written", "quiet"]
        assert (found[2]["event"], found[2]["lost"]) == ("log-lines-lost", 2)

    def test_colour_only_on_a_terminal(self) -> None:
        """Colour is for terminals, and NO_COLOR or a dumb terminal forbids it."""
        reader, descriptor = os.pipe()
        terminal, other = pty.openpty()
        try:
            assert not logs.coloured(descriptor, {})
            assert logs.coloured(other, {"TERM": "xterm", "NO_COLOR": ""})
            assert not logs.coloured(other, {"NO_COLOR": "1"})
            assert not logs.coloured(other, {"TERM": "dumb"})
        finally:
            for opened in (reader, descriptor, terminal, other):
                os.close(opened)

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


PLUGIN = """
    from twisted.application.service import ServiceMaker
    throwaway = ServiceMaker("throwaway", "throwaway_service", "a service for a test", "throwaway")
"""
SERVICE = """
    import os, sys, warnings
    from twisted.logger import Logger
    from twisted.python import log as legacy, usage
    from twisted.application.service import Service
    from twisted.internet.protocol import Factory
    from claude_bridge import logs
    from claude_bridge.config.schema import Log

    class Options(usage.Options):
        pass

    class Brief(Service):
        def privilegedStartService(self):
            from twisted.internet import reactor
            if "TAKEN" in os.environ:
                reactor.listenTCP(int(os.environ["TAKEN"]), Factory(), interface="127.0.0.1")

        def startService(self):
            from twisted.internet import reactor
            print("printed by foreign code")
            warnings.warn("careful")
            Logger("own").info("started {n}", event="started", n=1)
            reactor.callLater(0, self.end)

        def end(self):
            from twisted.internet import reactor
            reactor.callLater(0, reactor.stop)
            raise RuntimeError("in the reactor")

    def makeService(options):
        Logger("own").info("before twistd's own first line", event="early")
        parent = options.parent
        descriptor = logs.twistd_descriptor(parent["logfile"], nodaemon=bool(parent["nodaemon"]))
        top = logs.LoggedService(logs.observer(Log(), logs.redaction([]), os.environ, descriptor))
        Brief().setServiceParent(top)
        return top
"""


class TwistdTests:
    """The same under the real twistd."""

    def run(self, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run twistd with a throw-away plugin."""
        plugins = folder / "twisted" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "throwaway_plugin.py").write_text(textwrap.dedent(PLUGIN))
        (folder / "throwaway_service.py").write_text(textwrap.dedent(SERVICE))
        environ = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
        return subprocess.run(
            [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *arguments, "throwaway"],
            cwd=folder,
            env={**environ, "PYTHONPATH": str(folder), **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_json_from_the_first_line_on(self, tmp_path: Path) -> None:
        """Every line on standard error is JSON, Twisted's own and prints and warnings too, and stdout stays empty."""
        done = self.run(tmp_path, "--nodaemon", "--pidfile=")
        assert done.returncode == 0
        assert done.stdout == ""
        found = [read(line) for line in done.stderr.splitlines()]
        messages = [line["message"] for line in found]
        assert found[0]["event"] == "early"
        assert any("starting up" in message for message in messages)
        assert "printed by foreign code" in messages
        assert any("UserWarning: careful" in message for message in messages)
        assert [line["n"] for line in found if line["event"] == "started"] == [1]
        assert [line["error"] for line in found if "error" in line] == ["RuntimeError: in the reactor"]
        assert "Server Shut Down." in messages

    def test_logfile(self, tmp_path: Path) -> None:
        """`twistd --logfile` gets the same lines, and standard error stays empty."""
        done = self.run(tmp_path, "--nodaemon", "--pidfile=", "--logfile=here.log")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        lines = (tmp_path / "here.log").read_text().splitlines()
        assert "started" in [read(line)["event"] for line in lines]

    def test_port_taken(self, tmp_path: Path) -> None:
        """A port that is taken ends the daemon with one line that says so, and status 1."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run(tmp_path, "--nodaemon", "--pidfile=", TAKEN=str(taken.getsockname()[1]))
        assert (done.returncode, done.stdout) == (1, "")
        last = read(done.stderr.splitlines()[-1])
        assert (last["event"], last["level"]) == ("start-failed", "error")
        assert "Address already in use" in last["message"]
