"""The real Claude Code client: installed from npm into a cache folder, run with nothing of the user's own around it."""

from __future__ import annotations

import fcntl
import json
import re
import struct
import termios
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from tests.end_to_end.processes import Watched, killed_late, told_late
from tests.npm import CLAUDE_CODE
from tests.npm import installed as installed_package

TURN_SECONDS = 60.0
"""Limit for one run of the client: it takes two to six seconds."""

SCREEN_SECONDS = 30.0
"""Limit for something to appear on the interactive screen."""

SCREEN_SIZE = (40, 120)
"""Rows and columns of the terminal."""

QUIET: Mapping[str, str] = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
}
"""Environment in which the client asks nobody but the bridge."""

CONTROL = re.compile(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
"""A terminal's control sequence."""

ESCAPE, RETURN, CONTROL_C = "\x1b", "\r", "\x03"


def installed() -> Path:
    """Return the client's program, installing it where it is not there yet.

    The launcher in ``bin`` is only a placeholder where npm runs no install scripts, so the program is that of the
    platform's own package.
    """
    folder = installed_package(CLAUDE_CODE)
    found = sorted(folder.glob("node_modules/@anthropic-ai/claude-code-*/claude"))
    if not found:
        raise RuntimeError(f"npm has put no program for this platform into {folder}")
    return found[0]


@define(eq=False)
class _Unasked(Watched):
    """A client with nothing on its standard input."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Close it at once, or the client waits for more."""
        process: Any = self.transport
        process.closeStdin()


@frozen(kw_only=True)
class Turn:
    """One run of the client in print mode.

    :ivar lines: its stream-json transcript.
    :ivar err: its standard error.
    """

    code: int
    lines: list[dict[str, Any]]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """Return the last line, which says how the turn ended."""
        (result,) = [line for line in self.lines if line.get("type") == "result"]
        return result

    @property
    def answer(self) -> str:
        """Return the final answer; the turn must have ended well."""
        assert not self.result["is_error"], self.result
        assert self.code == 0, self.err
        return str(self.result["result"])

    @property
    def session(self) -> str:
        """Return the session's id."""
        return str(self.result["session_id"])

    def blocks(self, kind: str) -> list[dict[str, Any]]:
        """Return the content blocks of one type, of assistant and user messages, in order."""
        return [block for block in self._blocks() if block.get("type") == kind]

    def _blocks(self) -> Iterator[dict[str, Any]]:
        for line in self.lines:
            content = line.get("message", {}).get("content")
            if isinstance(content, list):
                yield from content

    def system(self, subtype: str) -> list[dict[str, Any]]:
        """Return the client's own notes of one kind (``api_retry``, ``compact_boundary``)."""
        return [line for line in self.lines if line.get("type") == "system" and line.get("subtype") == subtype]


@define(eq=False, kw_only=True)
class ClaudeCode:
    """A user with a home and a project of their own, both empty at first.

    :ivar url: of the bridge.
    """

    _reactor: Any
    program: Path
    folder: Path
    url: str

    def __attrs_post_init__(self) -> None:
        """Make the folders."""
        for folder in (self.home, self.project, self.scratch):
            folder.mkdir(parents=True)

    @property
    def home(self) -> Path:
        """Tell the client's HOME."""
        return self.folder / "home"

    @property
    def project(self) -> Path:
        """Return the folder that the client works in."""
        return self.folder / "project"

    @property
    def scratch(self) -> Path:
        """Tell the client's folder for temporary files."""
        return self.folder / "tmp"

    def environment(self, more: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return all that the client sees of the world. None takes a variable away."""
        told: dict[str, str | None] = {
            "HOME": str(self.home),
            "TMPDIR": str(self.scratch),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "SHELL": "/bin/bash",
            **QUIET,
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_AUTH_TOKEN": "test-key",
            **(more or {}),
        }
        return {name: value for name, value in told.items() if value is not None}

    async def turn(
        self,
        prompt: str,
        *arguments: str,
        environment: Mapping[str, str | None] | None = None,
        seconds: float = TURN_SECONDS,
    ) -> Turn:
        """Ask one thing in print mode and wait for the end."""
        command = [
            str(self.program), "-p", "--output-format", "stream-json", "--verbose", *arguments, "--", prompt,
        ]  # fmt: skip
        watched = _Unasked()
        self._reactor.spawnProcess(
            watched, command[0], command, env=self.environment(environment), path=str(self.project)
        )
        code = await killed_late(self._reactor, watched, seconds)
        lines = [json.loads(line) for line in watched.out.decode().splitlines()]
        return Turn(code=code, lines=lines, err=watched.err.decode(errors="replace"))

    async def screen(
        self, *arguments: str, environment: Mapping[str, str | None] | None = None, mode: str = "accept edits"
    ) -> Screen:
        """Start the interactive client on a terminal of its own, as for a user who is past the first welcome.

        It is ready when it shows its permission mode.
        """
        known = {
            "hasCompletedOnboarding": True,
            "projects": {str(self.project): {"hasTrustDialogAccepted": True}},
        }
        (self.home / ".claude.json").write_text(json.dumps(known))
        screen = Screen(self._reactor)
        command = [str(self.program), *arguments]
        told = self.environment({"TERM": "xterm-256color", **(environment or {})})
        self._reactor.spawnProcess(screen, command[0], command, env=told, path=str(self.project), usePTY=True)
        await screen.shown(f"{mode} on")
        return screen


@define(eq=False)
class Screen(Watched):
    """The interactive client on a pseudo-terminal."""

    _clock: Any
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Give the terminal a size: a new one has none."""
        process: Any = self.transport
        fcntl.ioctl(process.fileno(), termios.TIOCSWINSZ, struct.pack("4H", *SCREEN_SIZE, 0, 0))

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take what the client draws."""
        super().outReceived(data)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    @property
    def text(self) -> str:
        """Return all that was drawn so far without control sequences and blanks: some blanks are cursor movements."""
        drawn = CONTROL.sub("", self.out.decode(errors="replace"))
        return "".join(drawn.split())

    async def shown(self, text: str, seconds: float = SCREEN_SECONDS) -> None:
        """Wait until this was drawn."""
        wanted, limit = "".join(text.split()), self._clock.seconds() + seconds
        while wanted not in self.text:
            left = limit - self._clock.seconds()
            assert left > 0, f"no {text!r} on the screen after {seconds} s, but {self.text[-2000:]!r}"
            more: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(more)
            with suppress(TimeoutError):  # then the loop says what it waited for
                await more.addTimeout(left, self._clock, told_late)

    async def enter(self, text: str) -> None:
        """Type a line, wait until it is on the screen, and press Return: together they would pass for pasted text."""
        self.press(text)
        await self.shown(text)
        self.press(RETURN)

    def press(self, keys: str) -> None:
        """Type."""
        process: Any = self.transport
        process.write(keys.encode())

    async def close(self) -> None:
        """End the client as a closed terminal window does."""
        self.signal("HUP")
        await killed_late(self._clock, self, SCREEN_SECONDS)
