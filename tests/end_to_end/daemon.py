"""The real daemon as a child process, as a user starts it, on a free loopback port."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from tests.end_to_end.processes import Watched, killed_late, told_late

START_SECONDS = 30.0
"""Limit for the start: under a second on an idle machine, several where two tests' compilers run beside it."""

STOP_SECONDS = 30.0
"""Limit for the stop; tests that drain for longer say so."""

Sections = Mapping[str, Mapping[str, str]]

LISTEN = "tcp:0:interface=127.0.0.1"


def ini(backend_url: str, sections: Sections | None = None) -> str:
    """Write a configuration with one backend, named ``scripted``, which is asked for nothing at the start.

    :param sections: more keys; those of ``server`` and ``backend:scripted`` are added to what is there. Lines after
        the first of a value must be indented already.
    """
    told: dict[str, dict[str, str]] = {
        "server": {"listen": LISTEN, "check_backends": "no"},
        "backend:scripted": {"url": backend_url},
    }
    for name, keys in (sections or {}).items():
        told.setdefault(name, {}).update(keys)
    return "\n".join(_section(name, keys) for name, keys in told.items())


def _section(name: str, keys: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


@define(eq=False)
class LoggedProcess(Watched):
    """A child whose standard error is lines; wakes who waits for one."""

    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take standard error."""
        super().errReceived(data)
        self._wake()

    def processEnded(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Wake the waiting too: what they wait for will not come."""
        super().processEnded(reason)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    def when_more(self) -> Deferred[None]:
        """Return a Deferred of more output or the end."""
        more: Deferred[None] = Deferred(self._waiting.remove)
        if self.code is None:
            self._waiting.append(more)
        else:
            more.callback(None)
        return more


@define(eq=False, kw_only=True)
class Daemon:
    """A running daemon.

    :ivar folder: its own; working directory, HOME and configuration file are in it.
    :ivar program: what is started.
    """

    _reactor: Any
    folder: Path
    program: Path = Path(sys.prefix) / "bin" / "twistd"
    process: LoggedProcess = field(factory=LoggedProcess)
    host: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"http://{self.host}:{self.port}"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Decode the lines of standard error so far; each must be one JSON object."""
        whole = bytes(self.process.err).split(b"\n")[:-1]
        return [self._line(line) for line in whole]

    def _line(self, line: bytes) -> dict[str, Any]:
        try:
            decoded = json.loads(line)
        except ValueError:
            decoded = None
        assert isinstance(decoded, dict), self._told(f"it logged {line!r}, which is no JSON object")
        return decoded

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of one kind of event."""
        return [line for line in self.lines if line.get("event") == name]

    @property
    def resident_bytes(self) -> int:
        """Measure its memory."""
        process: Any = self.process.transport
        (line,) = [
            line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmRSS:")
        ]
        return int(line.split()[1]) * 1024

    async def start(self, config: str, environment: Mapping[str, str] | None = None) -> None:
        """Start ``twistd`` with this configuration file and wait until it listens."""
        path = self.folder / "claude-bridge.ini"
        path.write_text(config)
        arguments = ["--nodaemon", "--pidfile=", "claude-bridge", "--config", str(path)]
        await self.run(self.program, arguments, environment)

    async def start_without_file(self, environment: Mapping[str, str]) -> None:
        """Start ``claude-bridge run``, as a container does, and wait until it listens."""
        await self.run(self.program.with_name("claude-bridge"), ["run"], environment)

    async def run(self, path: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Run a program and wait until it listens."""
        program = str(path)
        clean = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self._reactor.spawnProcess(
            self.process, program, [program, *arguments], env={**clean, **(environment or {})}, path=str(self.folder)
        )
        listening = await self.wait_for("listening", START_SECONDS)
        self.host, self.port = listening["host"], listening["port"]

    async def wait_for(self, name: str, seconds: float = START_SECONDS, count: int = 1) -> dict[str, Any]:
        """Wait until ``count`` events of this name were logged, and return the last of them."""
        limit = self._reactor.seconds() + seconds
        while len(self.events(name)) < count:
            left = limit - self._reactor.seconds()
            assert self.process.code is None, self._told(f"it ended with {self.process.code}")
            assert left > 0, self._told(f"no {name} after {seconds} s")
            with suppress(TimeoutError):  # then the loop says what it waited for
                await self.process.when_more().addTimeout(left, self._reactor, told_late)
        return self.events(name)[count - 1]

    def _told(self, what: str) -> str:
        return f"{what}; its standard error:\n{self.process.err.decode(errors='replace')}"

    async def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask it to stop as systemd does, wait, and return the exit code: -15 or 0 is a good end."""
        self.process.signal("TERM")
        return await killed_late(self._reactor, self.process, seconds)

    async def finish(self) -> None:
        """Stop it if need be, and check what every run must keep.

        Each line of stderr is JSON from the first one on, none tells of a fault of the daemon's own, and stdout is
        empty.
        """
        code = await self.stop()
        assert code in (0, -15), self._told(f"it ended with {code}")
        assert bytes(self.process.out) == b""
        assert self.process.err.endswith(b"\n")
        assert self.lines
        faults = [line for line in self.lines if "traceback" in line or line.get("level") in {"error", "critical"}]
        assert faults == [], self._told(f"it logged {faults}")
