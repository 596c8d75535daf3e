"""Real commands that print keys, or do not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from claude_bridge.services.keys.child_process import CommandFailed, run_command


@define
class Scripts:
    """Makes scripts of a shell in a folder."""

    folder: Path

    def made(self, text: str, head: str = "#!/bin/sh\n") -> str:
        """Write a script and return its path."""
        path = self.folder / "token"
        path.write_text(head + text)
        path.chmod(0o700)
        return str(path)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    """Return the means to write scripts."""
    return Scripts(tmp_path)


async def failure(reactor: Any, *command: str, seconds: float = 10.0) -> str:
    """Run a command that fails, and return why."""
    with pytest.raises(CommandFailed) as caught:
        await run_command(reactor, command, seconds)
    return str(caught.value)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; its parent may not have heard of it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def ended(reactor: Any, pid: int) -> bool:
    """Wait for the end of a process; False if it has not ended after five seconds."""
    for _ in range(100):
        if is_gone(pid):
            return True
        await deferLater(reactor, 0.05)
    return False


class OutputTests:
    """What a command prints."""

    @pytest_twisted.ensureDeferred
    async def test_output(self, reactor: Any, scripts: Scripts) -> None:
        """All of standard output, and nothing of standard error."""
        path = scripts.made('echo noise >&2; echo "$1"; sleep 0.05; printf \'%s\' "$2"')
        assert await run_command(reactor, (path, "a b", "$HOME;c")) == b"a b\n$HOME;c"

    @pytest_twisted.ensureDeferred
    async def test_environment_and_input(self, reactor: Any, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment is the daemon's, and there is nothing to read: who asks for a password hears the end."""
        monkeypatch.setenv("TOKEN_FROM_OUTSIDE", "inherited")
        path = scripts.made('read answer; echo "$TOKEN_FROM_OUTSIDE$answer"')
        assert await run_command(reactor, (path,)) == b"inherited\n"

    @pytest_twisted.ensureDeferred
    async def test_child_that_stays(self, reactor: Any, scripts: Scripts) -> None:
        """A command that leaves an agent behind, which keeps the pipe open, has ended all the same."""
        began = time.monotonic()
        path = scripts.made("sleep 20 & echo token")
        assert await run_command(reactor, (path,)) == b"token\n"
        assert time.monotonic() - began < 5


@define
class NotedTriggers:
    """A reactor whose triggers the test calls.

    :ivar triggers: what is to be called at its end.
    """

    reactor: Any
    triggers: list[Callable[[], object]] = field(factory=list)

    def __getattr__(self, name: str) -> Any:
        """Be the real one but for triggers."""
        return getattr(self.reactor, name)

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], object]) -> int:  # noqa: N802 - Twisted's
        """Note a trigger."""
        assert (phase, event) == ("during", "shutdown")
        self.triggers.append(call)
        return len(self.triggers) - 1

    def removeSystemEventTrigger(self, trigger: int) -> None:  # noqa: N802 - Twisted's name
        """Forget a trigger."""
        del self.triggers[trigger]


class ShutdownTests:
    """The end of the daemon."""

    @pytest_twisted.ensureDeferred
    async def test_kills_what_runs(self, reactor: Any, scripts: Scripts) -> None:
        """A command does not outlive the daemon that needs its output."""
        noted, pid = NotedTriggers(reactor), scripts.folder / "pid"
        running = run_command(noted, (scripts.made(f"echo $$ > {pid}; exec sleep 30"),))
        while not pid.exists() or not pid.read_text():
            await deferLater(reactor, 0.02)
        (stop,) = noted.triggers
        stop()
        assert await ended(reactor, int(pid.read_text()))
        with pytest.raises(CommandFailed, match="signal 9"):
            await running
        assert noted.triggers == []


class FailureTests:
    """What is told of a command that failed."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("exit 3", "it ended with exit code 3"),
            ("echo 'no network' >&2; echo second >&2; exit 1", "it ended with exit code 1: no network"),
            ("echo token; exit 1", "it ended with exit code 1"),
            ("kill -9 $$", "it ended by signal 9"),
            ("head -c 20000 /dev/zero", "it printed more than 16,384 bytes"),
            (
                "printf 'bad\\tkey sk-0123456789abcdef\\n' >&2; exit 1",
                "it ended with exit code 1: bad key [credential]",
            ),
            ("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 2", "it ended with exit code 2:"),
        ],
    )
    async def test_reasons(self, reactor: Any, scripts: Scripts, text: str, why: str) -> None:
        """The exit code, and the first line of standard error without what looks like a key."""
        told = await failure(reactor, scripts.made(text))
        assert told.startswith(why)
        assert len(told) < 300

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("head", ["#!/nowhere/sh\n", "\x7fnot a program"])
    async def test_cannot_be_executed(self, reactor: Any, scripts: Scripts, head: str) -> None:
        """A file that is no program is a failure, and its arguments are not told."""
        told = await failure(reactor, scripts.made("", head), "hidden-argument")
        assert told.startswith("it ")
        assert "hidden" not in told

    @pytest_twisted.ensureDeferred
    async def test_quoted_arguments(self, reactor: Any, scripts: Scripts) -> None:
        """A program that quotes its arguments, which may hold a secret, is not quoted with them."""
        path = scripts.made('echo "unrecognized option $1, or $2, or $3 $4" >&2; exit 2')
        told = await failure(reactor, path, "--account=Sesame-open", "-pSesame-open", "--user", "Sesame open")
        assert told == "it ended with exit code 2: unrecognized option --account=***, or ***, or --user ***"

    @pytest_twisted.ensureDeferred
    async def test_not_there(self, reactor: Any, tmp_path: Path) -> None:
        """A program that has gone since the configuration was read."""
        assert (await failure(reactor, str(tmp_path / "gone"))).startswith("it ")

    @pytest_twisted.ensureDeferred
    async def test_too_long(self, reactor: Any, scripts: Scripts) -> None:
        """A command that hangs is killed."""
        pid = scripts.folder / "pid"
        path = scripts.made(f"echo $$ > {pid}; exec sleep 30")
        assert await failure(reactor, path, seconds=0.5) == "it took longer than 0.5 s"
        assert await ended(reactor, int(pid.read_text()))

    @pytest_twisted.ensureDeferred
    async def test_cancelled(self, reactor: Any, scripts: Scripts) -> None:
        """Nobody waits for it any more: it is killed."""
        pid = scripts.folder / "pid"
        running = run_command(reactor, (scripts.made(f"echo $$ > {pid}; exec sleep 30"),))
        while not pid.exists() or not pid.read_text():
            await deferLater(reactor, 0.02)
        running.cancel()
        with pytest.raises(CancelledError):
            await running
        assert await ended(reactor, int(pid.read_text()))
