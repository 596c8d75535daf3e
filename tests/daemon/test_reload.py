"""Promises of a reload: all or nothing, one at a time, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure

from claude_bridge.config.expand import expand
from claude_bridge.config.problems import ConfigErrors, Problem
from claude_bridge.config.schema import Config
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.reload import Load, Reloaded, Reloader, Stopping
from claude_bridge.daemon.service import Bridge, build
from tests.services.exchange.stage import ONE, configured

WRONG = ConfigErrors((Problem("limits", "max_body", "much too much"), Problem("server", "", "no {such} section")))
LESS = ONE + "[limits]\nmax_streams = 7\n"


@define(eq=False)
class Disk:
    """Reads configurations when it is told to.

    :ivar files: what is read, one after the other; an error is raised.
    :ivar reading: how many reads have begun and not ended.
    """

    files: list[Config | Exception] = field(factory=list)
    reading: list[Deferred[Config]] = field(factory=list)

    def load(self) -> Config:
        """Read."""
        found = self.files.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def in_thread(self, load: Load) -> Deferred[Config]:
        """Begin to read."""
        reading: Deferred[Config] = Deferred()
        reading.addCallback(lambda _: load())
        self.reading.append(reading)
        return reading

    def read(self, *files: Config | Exception) -> None:
        """Let the oldest read come to its end, with one of ``files`` on the disk."""
        self.files += files
        began: Any = self.reading.pop(0)
        began.callback(None)


@define(eq=False)
class Scene:
    """A bridge that runs in memory, and its reloader."""

    disk: Disk = field(factory=Disk)
    bridge: Bridge = field(init=False)
    reloader: Reloader = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start it."""
        self.bridge = build(configured(ONE), MemoryReactorClock(), Redactor(()))
        self.bridge.running = 1
        self.reloader = Reloader(self.bridge, self.disk.load, self.disk.in_thread)

    def ask(self) -> list[Any]:
        """Ask for a reload; what is given back gets what came of it."""
        got: list[Any] = []
        self.reloader.reload().addBoth(got.append)
        return got

    @property
    def streams(self) -> int:
        """Return what is in force."""
        return self.bridge.generation.limits.max_streams


def told(logged: Sequence[LogEvent], *events: str) -> list[tuple[str, str]]:
    """Return level and message of the lines of these events."""
    return [(each["log_level"].name, formatEvent(each)) for each in logged if each.get("event") in events]


class ReloadTests:
    """One reload."""

    def test_effective(self) -> None:
        """What was read is in force, and what changed is told to who asked and to the log."""
        scene = Scene()
        with capturedLogs() as logged:
            got = scene.ask()
            assert (got, scene.streams) == ([], 4000)
            scene.disk.read(evolve(configured(LESS), source="the file"))
        (reloaded,) = got
        assert isinstance(reloaded, Reloaded)
        assert (reloaded.source, reloaded.needs_restart) == ("the file", ())
        assert reloaded.changed == ("[limits] max_streams",)
        assert (scene.streams, scene.bridge.generation.number) == (7, 2)
        assert told(logged, "reloaded") == [("info", "configuration reloaded: the file; changed: [limits] max_streams")]

    def test_needs_restart(self) -> None:
        """What only a start can change is named each time until it happened, and all else is done."""
        scene = Scene()
        wanted = configured("[server]\nlisten = tcp:1:interface=127.0.0.1\n" + LESS.partition("[server]\n")[2])
        for _ in range(2):
            with capturedLogs() as logged:
                got = scene.ask()
                scene.disk.read(wanted)
            assert got[0].needs_restart == ("[server] listen",)
            ((level, message),) = told(logged, "reloaded")
            assert level == "warn"
            assert message.endswith("needs a restart: [server] listen")
        assert scene.streams == 7
        assert scene.bridge.generation.config.server.listen == configured(ONE).server.listen

    def test_mistakes(self) -> None:
        """A wrong configuration changes nothing; who asked gets all mistakes, and the log has a line for each."""
        scene = Scene()
        before = scene.bridge.generation
        with capturedLogs() as logged:
            got = scene.ask()
            scene.disk.read(WRONG)
        assert got[0].value is WRONG
        assert scene.bridge.generation is before
        assert told(logged, "config-error", "reload-failed") == [
            ("warn", "[limits] max_body: much too much"),
            ("warn", "[server]: no {such} section"),
            ("warn", "not reloaded, the configuration in force stays: 2 mistakes in the new one"),
        ]

    def test_unset_variable(self) -> None:
        """A variable that was exported elsewhere since does not reach a running bridge, and that is said."""
        with pytest.raises(ValueError, match="is not set") as caught:
            expand("${SECOND_KEY}", {})
        wrong = ConfigErrors((Problem("backend:b", "api_key", caught.value.args[0]),))
        scene = Scene()
        got = scene.ask()
        scene.disk.read(wrong)
        assert str(got[0].value) == (
            "[backend:b] api_key: the environment variable SECOND_KEY is not set in the running bridge, which has the "
            "variables of its start: restart it, or give a key as file:/PATH or credential:NAME; "
            "${SECOND_KEY:-default} would give a default"
        )

    def test_warnings(self) -> None:
        """What is valid and should be different is told as at a start."""
        scene = Scene()
        with capturedLogs() as logged:
            got = scene.ask()
            scene.disk.read(evolve(configured(LESS), warnings=(Problem("server", "listen", "is odd"),)))
        assert got[0].warnings == ("[server] listen: is odd",)
        assert told(logged, "config-warning") == [("warn", "[server] listen: is odd")]

    def test_fault(self, logged_failures: list[LogEvent]) -> None:
        """A fault of our own changes nothing either, is logged as one, and does not stand in the way of the next."""
        scene = Scene()
        got = scene.ask()
        scene.disk.read(RuntimeError("a bug"))
        assert isinstance(got[0], Failure)
        (fault,) = logged_failures
        logged_failures.clear()
        assert (fault["event"], fault["log_level"]) == ("fault", LogLevel.critical)
        scene.ask()
        scene.disk.read(configured(LESS))
        assert scene.streams == 7

    def test_stopping(self) -> None:
        """A daemon that stops meanwhile does not change over any more."""
        scene = Scene()
        got = scene.ask()
        scene.bridge.running = 0
        scene.disk.read(configured(LESS))
        assert got[0].check(Stopping)
        assert scene.streams == 4000


class SeveralTests:
    """Who asks while a reload goes on."""

    def test_one_more(self) -> None:
        """Gets the next one, which reads anew; however many ask, it is one."""
        scene = Scene()
        first = scene.ask()
        second, third = scene.ask(), scene.ask()
        assert len(scene.disk.reading) == 1
        scene.disk.read(configured(LESS))
        assert (len(first), second, third, len(scene.disk.reading)) == (1, [], [], 1)
        scene.disk.read(configured(LESS.replace("7", "8")))
        assert (len(second), len(third), scene.disk.reading) == (1, 1, [])
        assert (scene.streams, scene.bridge.generation.number) == (8, 3)

    def test_after_a_failure(self) -> None:
        """The next one comes also after one that failed."""
        scene = Scene()
        first, second = scene.ask(), scene.ask()
        scene.disk.read(WRONG)
        scene.disk.read(configured(LESS))
        assert first[0].check(ConfigErrors)
        assert second[0].changed
        assert scene.streams == 7

    def test_signal(self) -> None:
        """A signal asks too, and nobody has to take what comes of it."""
        scene = Scene()
        scene.reloader.on_signal()
        with capturedLogs() as logged:
            scene.disk.read(WRONG)
        assert [each for each in logged if "log_failure" in each] == []

    def test_somebody_left(self) -> None:
        """Who asked and went away does not stop it."""
        scene = Scene()
        asked = scene.reloader.reload()
        asked.addErrback(lambda _: None)
        asked.cancel()
        scene.disk.read(configured(LESS))
        assert scene.streams == 7
