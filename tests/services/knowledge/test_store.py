"""Promises of the file that keeps what was learned."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, capturedLogs

from claude_bridge.config.schema import Backend
from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.kinds import KINDS
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.shared_file import MAX_FILE_BYTES, STALE_SECONDS
from claude_bridge.services.knowledge.snapshot import KnowledgeSnapshot, digest
from claude_bridge.services.knowledge.store import NAME, SAVE_SECONDS, STOP_SECONDS, StateFile, restored_detection

BOX = Backend(name="box", url="http://box.test/v1")


def at_once(call: Callable[[], None]) -> Deferred[None]:
    """Call without a thread."""
    return maybeDeferred(call)


@define(eq=False)
class SlowDisk:
    """Starts to write when it is told to."""

    calls: list[tuple[Callable[[], None], Deferred[None]]] = field(factory=list)

    def __call__(self, call: Callable[[], None]) -> Deferred[None]:
        """Take an order."""
        done: Deferred[None] = Deferred()
        self.calls.append((call, done))
        return done

    def write(self) -> None:
        """Carry out the first order."""
        call, done = self.calls.pop(0)
        call()
        done.callback(None)


def state(
    folder: Path | None,
    clock: Clock,
    in_thread: Callable[[Callable[[], None]], Any] = at_once,
    backend: Backend = BOX,
) -> StateFile:
    """Make a daemon's state file, started."""
    made = StateFile(
        directory=None if folder is None else str(folder),
        knowledge=KnowledgeSnapshot(
            backends={backend.name: backend},
            profiles=ModelProfiles(clock.seconds),
            detection=DialectDetection(KINDS),
            unix_time=clock.seconds,
        ),
        clock=clock,
        in_thread=in_thread,
    )
    made.start()
    return made


def learn(of: StateFile, limit: int, model: str = "m") -> None:
    """Let a daemon learn something."""
    (backend,) = of.knowledge.backends
    of.knowledge.profiles.profile(backend, model).saw_limit(limit)


def known(of: StateFile, model: str = "m") -> int | None:
    """Ask a daemon what it knows."""
    (backend,) = of.knowledge.backends
    return of.knowledge.profiles.profile(backend, model).max_output_tokens


def warnings(logged: Sequence[dict[str, Any]]) -> list[str]:
    """Return the formats of the warnings."""
    return [event["log_format"] for event in logged if event["log_level"] is LogLevel.warn]


class KeepingTests:
    """What was learned is there after a restart."""

    def test_after_a_stop(self, tmp_path: Path) -> None:
        """A daemon that is stopped leaves what it knows to the next one."""
        folder = tmp_path / "a" / "b"
        old = state(folder, Clock())
        learn(old, 900)
        assert old.stop().called
        assert known(state(folder, Clock())) == 900

    def test_after_a_crash(self, tmp_path: Path) -> None:
        """A minute after it was learned it is safe, and it is not written sooner or more often."""
        clock = Clock()
        old = state(tmp_path, clock)
        learn(old, 900)
        clock.advance(SAVE_SECONDS - 1)
        learn(old, 800)
        assert known(state(tmp_path, Clock())) is None
        clock.advance(1)
        assert known(state(tmp_path, Clock())) == 800
        learn(old, 700)
        clock.advance(SAVE_SECONDS)
        assert known(state(tmp_path, Clock())) == 700

    def test_idle(self, tmp_path: Path) -> None:
        """A daemon that nobody uses neither writes nor wakes up; one that learns nothing new leaves the disk alone."""
        clock = Clock()
        disk = SlowDisk()
        running = state(tmp_path, clock, disk)
        assert clock.getDelayedCalls() == []
        learn(running, 900)
        clock.advance(SAVE_SECONDS)
        disk.write()
        assert clock.getDelayedCalls() == []
        known(running)
        clock.advance(SAVE_SECONDS)
        assert disk.calls == []
        assert running.stop().called

    def test_private(self, tmp_path: Path) -> None:
        """Directory and file are their owner's alone, and nothing is left beside the file."""
        folder = tmp_path / "state"
        old = state(folder, Clock())
        learn(old, 900)
        old.stop()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [(NAME, 0o600)]

    def test_without_a_directory(self) -> None:
        """Where nothing is to be kept the daemon goes on in memory."""
        running = state(None, Clock())
        learn(running, 900)
        assert known(running) == 900
        assert running.stop().called

    def test_a_stop_waits_for_the_disk(self, tmp_path: Path) -> None:
        """A stop writes after what is being written already, each at its turn."""
        clock = Clock()
        disk = SlowDisk()
        old = state(tmp_path, clock, disk)
        learn(old, 900)
        clock.advance(SAVE_SECONDS)
        learn(old, 800)
        stopped: list[None] = []
        old.stop().addCallback(stopped.append)
        disk.write()
        assert stopped == []
        disk.write()
        assert stopped == [None]
        assert known(state(tmp_path, Clock())) == 800

    def test_a_stop_does_not_wait_for_ever(self, tmp_path: Path) -> None:
        """A disk that hangs is told of, and left alone after five seconds."""
        clock = Clock()
        old = state(tmp_path, clock, SlowDisk())
        learn(old, 900)
        stopping = old.stop()
        with capturedLogs() as logged:
            clock.advance(STOP_SECONDS)
        assert stopping.called
        assert len(warnings(logged)) == 1
        learn(old, 800)
        assert clock.getDelayedCalls() == []

    @pytest_twisted.ensureDeferred
    async def test_off_the_reactor(self, tmp_path: Path) -> None:
        """The disk is waited for in another thread than the one that answers."""
        threads: list[threading.Thread] = []

        def in_thread(call: Callable[[], None]) -> Deferred[None]:
            def noted() -> None:
                threads.append(threading.current_thread())
                call()

            return deferToThread(noted)

        old = state(tmp_path, Clock(), in_thread)
        learn(old, 900)
        await old.stop()
        assert threads
        assert threading.current_thread() not in threads
        assert known(state(tmp_path, Clock())) == 900


class TroubleTests:
    """Nothing about the file can keep a daemon from its work."""

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe", b"[]", b'{"version": 1}', b'{"a":' * 5000, b" " * (MAX_FILE_BYTES + 1)]
    )
    def test_bad_file(self, tmp_path: Path, content: bytes) -> None:
        """A file that makes no sense is put aside with one warning, and what is learned then is kept."""
        (tmp_path / NAME).write_bytes(content)
        with capturedLogs() as logged:
            running = state(tmp_path, Clock())
        assert len(warnings(logged)) == 1
        assert (tmp_path / f"{NAME}.bad").read_bytes() == content
        learn(running, 900)
        running.stop()
        assert known(state(tmp_path, Clock())) == 900

    @given(content=st.binary(max_size=200) | st.builds(lambda tail: b'{"version":1,"backends":[' + tail, st.binary()))
    def test_any_bytes(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        """Whatever bytes are in the file, the daemon starts and goes on."""
        folder = tmp_path_factory.mktemp("state")
        (folder / NAME).write_bytes(content)
        running = state(folder, Clock())
        learn(running, 900)
        running.stop()
        assert known(state(folder, Clock())) == 900

    def test_other_version(self, tmp_path: Path) -> None:
        """A later daemon's file is left as it is until there is something to write, and is no cause for a warning."""
        (tmp_path / NAME).write_text('{"version": 2, "notes": {}}')
        with capturedLogs() as logged:
            running = state(tmp_path, Clock())
        assert warnings(logged) == []
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
        assert known(running) is None

    def test_no_file_but(self, tmp_path: Path) -> None:
        """A directory or a pipe in the file's place holds nothing up."""
        (tmp_path / "a" / NAME).mkdir(parents=True)
        (tmp_path / "b").mkdir()
        os.mkfifo(tmp_path / "b" / NAME)
        for folder in ("a", "b"):
            with capturedLogs() as logged:
                running = state(tmp_path / folder, Clock())
            assert len(warnings(logged)) == 1
            learn(running, 900)
            assert known(running) == 900
            assert running.stop().called

    def test_no_directory_possible(self, tmp_path: Path) -> None:
        """A directory that cannot be made or written costs one warning, not one a minute; then it may come right."""
        (tmp_path / "file").touch()
        clock = Clock()
        with capturedLogs() as logged:
            running = state(tmp_path / "file" / "state", clock)
            for limit in (900, 800, 700):
                learn(running, limit)
                clock.advance(SAVE_SECONDS)
        assert known(running) == 700
        assert len(warnings(logged)) == 1
        (tmp_path / "file").unlink()
        clock.advance(SAVE_SECONDS)
        assert running.stop().called
        assert known(state(tmp_path / "file" / "state", Clock())) == 700

    def test_read_only(self) -> None:
        """The same for a directory whose file system only lets itself be read."""
        with capturedLogs() as logged:
            running = state(Path("/proc/claude-bridge"), Clock())
            learn(running, 900)
            assert running.stop().called
        assert len(warnings(logged)) == 1


CLOUD = Backend(name="cloud", url="http://cloud.test/v1")
MOVED = Backend(name="box", url="http://elsewhere.test/v1")


class SharedTests:
    """Several daemons of one user have one directory."""

    def test_other_backends(self, tmp_path: Path) -> None:
        """What one daemon has found out of its backend stays when another writes about its own."""
        clock = Clock()
        one, two = state(tmp_path, clock), state(tmp_path, clock, backend=CLOUD)
        one.knowledge.detection.observe(BOX, Clues(owners=("vllm",)))
        learn(one, 900)
        learn(two, 700)
        clock.advance(SAVE_SECONDS)
        learn(two, 600)
        clock.advance(SAVE_SECONDS)
        again = state(tmp_path, clock)
        assert known(again) == 900
        assert again.knowledge.detection.dialect_of(BOX).dialect.name == "vllm"
        assert known(state(tmp_path, clock, backend=CLOUD)) == 600

    def test_same_name(self, tmp_path: Path) -> None:
        """Two daemons that know different servers by one name, as without a configuration file, keep both apart."""
        clock = Clock()
        for backend, limit in ((BOX, 900), (MOVED, 700)):
            running = state(tmp_path, clock, backend=backend)
            learn(running, limit)
            running.stop()
        assert known(state(tmp_path, clock)) == 900
        assert known(state(tmp_path, clock, backend=MOVED)) == 700

    def test_same_backend(self, tmp_path: Path) -> None:
        """Of one backend that both use, what each has found out counts."""
        clock = Clock()
        one, two = state(tmp_path, clock), state(tmp_path, clock)
        learn(one, 900, "a")
        learn(two, 700, "b")
        two.knowledge.profiles.profile("box", "a").saw_window(5000)
        one.stop()
        two.stop()
        new = state(tmp_path, clock)
        assert (known(new, "a"), known(new, "b")) == (900, 700)
        assert new.knowledge.profiles.profile("box", "a").context_window == 5000

    def test_told_by_the_old_one(self, tmp_path: Path) -> None:
        """A file of version 0.1.0, which has no dates of backends, is read, and stays as another daemon writes."""
        clock = Clock()
        clock.advance(40 * 86_400)
        url = digest(BOX.url)
        model = {"model": "m", "max_output_tokens": 900, "limit_at": 3455990.0, "used": 3369600.0}
        old = {"name": "box", "url": url, "dialect": "vllm", "why": "it said so", "models": [model]}
        (tmp_path / NAME).write_bytes(strict_json.encode({"version": 1, "backends": [old]}))
        other = state(tmp_path, clock, backend=CLOUD)
        learn(other, 700)
        other.stop()
        new = state(tmp_path, clock)
        assert known(new) == 900
        assert new.knowledge.detection.dialect_of(BOX).why == "it said so, found out earlier"

    def test_deleted(self, tmp_path: Path) -> None:
        """Who deletes the file while a daemon runs gets it again, with what that daemon knows, and with no more."""
        clock = Clock()
        running = state(tmp_path, clock)
        learn(running, 900)
        clock.advance(SAVE_SECONDS)
        (tmp_path / NAME).unlink()
        learn(running, 800, "n")
        running.stop()
        new = state(tmp_path, clock)
        assert (known(new), known(new, "n")) == (900, 800)

    def test_killed(self, tmp_path: Path) -> None:
        """What a daemon that was killed while it wrote has left is removed by the next one, and told."""
        left = tmp_path / f".{NAME}.abcdefgh"
        left.write_bytes(b"half")
        clock = Clock()
        clock.advance(left.stat().st_mtime + STALE_SECONDS + 1)
        with capturedLogs() as logged:
            state(tmp_path, clock)
        assert list(tmp_path.iterdir()) == []
        assert [event["count"] for event in logged if event.get("event") == "state"] == [1]


class FoundOutTests:
    """What can be asked without a daemon."""

    def test_dialect(self, tmp_path: Path) -> None:
        """What an earlier run found out of a backend is told with its reason, and the file stays as it is."""
        running = state(tmp_path, Clock())
        running.knowledge.detection.observe(BOX, Clues(owners=("vllm",)))
        learn(running, 5)
        running.stop()
        before = (tmp_path / NAME).read_bytes()
        decided = restored_detection(str(tmp_path), {"box": BOX}, KINDS).dialect_of(BOX)
        assert decided.dialect.name == "vllm"
        assert "found out earlier" in decided.why
        assert (tmp_path / NAME).read_bytes() == before

    @pytest.mark.parametrize("content", [None, b"", b"nonsense", b'{"version": 99}', b"[]"])
    def test_nothing(self, tmp_path: Path, content: bytes | None) -> None:
        """Without a file that makes sense nothing is known, and nothing is changed."""
        if content is not None:
            (tmp_path / NAME).write_bytes(content)
        assert not restored_detection(str(tmp_path), {"box": BOX}, KINDS).dialect_of(BOX).known
        assert not restored_detection(None, {"box": BOX}, KINDS).dialect_of(BOX).known
        assert [path.name for path in tmp_path.iterdir()] == ([] if content is None else [NAME])


class ReloadTests:
    """A configuration that replaces another while the daemon runs."""

    def turned(self, of: StateFile, backend: Backend) -> None:
        """Change over."""
        profiles = of.knowledge.profiles.shared({backend.name} if backend in of.knowledge.backends.values() else ())
        new = KnowledgeSnapshot(
            backends={backend.name: backend},
            profiles=profiles,
            detection=of.knowledge.detection,
            unix_time=of.knowledge.unix_time,
        )
        of.switch_to(new)

    def test_same_backends(self, tmp_path: Path) -> None:
        """What was learned before and after is kept."""
        clock = Clock()
        daemon = state(tmp_path, clock)
        learn(daemon, 900, "before")
        self.turned(daemon, BOX)
        learn(daemon, 800, "after")
        clock.advance(SAVE_SECONDS)
        again = state(tmp_path, clock)
        assert (known(again, "before"), known(again, "after")) == (900, 800)

    def test_there_and_back(self, tmp_path: Path) -> None:
        """What was learned of an address stays in the file, and is known again when a configuration goes back to it."""
        clock = Clock()
        daemon = state(tmp_path, clock)
        learn(daemon, 900)
        self.turned(daemon, Backend(name="box", url="http://other.test/v1"))
        assert known(daemon) is None
        learn(daemon, 700)
        clock.advance(SAVE_SECONDS)
        self.turned(daemon, BOX)
        assert known(daemon) == 900
        daemon.stop()
        assert known(state(tmp_path, clock)) == 900
        assert known(state(tmp_path, clock, backend=Backend(name="box", url="http://other.test/v1"))) == 700

    def test_waits_for_the_disk(self, tmp_path: Path) -> None:
        """A write under way ends before the change; what is learned meanwhile is not lost."""
        clock, disk = Clock(), SlowDisk()
        daemon = state(tmp_path, clock, disk)
        learn(daemon, 900)
        clock.advance(SAVE_SECONDS)
        self.turned(daemon, BOX)
        learn(daemon, 800)
        disk.write()
        disk.write()
        daemon.stop()
        while disk.calls:
            disk.write()
        assert known(state(tmp_path, clock)) == 800

    def test_without_a_directory(self) -> None:
        """Where nothing is kept there is nothing to do."""
        daemon = state(None, Clock())
        self.turned(daemon, BOX)
        learn(daemon, 900)
        assert (known(daemon), daemon.file) == (900, None)
