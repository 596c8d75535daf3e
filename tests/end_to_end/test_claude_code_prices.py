"""The real Claude Code client reckons with the prices that `claude-bridge setup --managed` writes.

It reads them under ``/etc`` alone, so client and command run where a copy of that folder is in its place: nothing of
the machine's own is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.end_to_end.processes import run_program
from tests.end_to_end.test_ledger import file_of, requests_in, usage
from tests.end_to_end.users import ALLOWED, CLIENT, calls, program, says

__all__ = ["program"]  # a fixture

UNSHARE = ["unshare", *([] if os.getuid() == 0 else ["--map-root-user"]), "--mount"]


def can_unshare() -> bool:
    """Return whether a process here may have mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    command = [*UNSHARE, "sh", "-c", "mount --bind /tmp /etc"]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


pytestmark = [*CLIENT, pytest.mark.skipif(not can_unshare(), reason="mounts of one's own are not allowed here")]

SECTIONS: Sections = {
    "model:glm": {"backend": "scripted", "name": "zai/GLM", "context_window": "131072"},
    "price:glm": {"input": "0.30", "cache_read": "0.06", "cache_write": "0.375", "output": "1.10"},
    "model:free": {"backend": "scripted", "name": "free", "context_window": "131072"},
    "price:free": {"input": "0", "output": "0"},
    "route:default": {"models": "glm"},
}

USAGE = {
    "prompt_tokens": 41_234, "completion_tokens": 777, "total_tokens": 42_011,
    "prompt_tokens_details": {"cached_tokens": 39_871},
}  # fmt: skip

WRAPPER = """#!/bin/sh
exec {unshare} sh -c 'mount --bind "$0" /etc && exec "$@"' {etc} {program} "$@"
"""


class Machine:
    """A place with an ``/etc`` of its own, in which the client runs."""

    def __init__(self, reactor: Any, program: Path, folder: Path) -> None:
        self._reactor, self._program, self._folder = reactor, program, folder
        self._etc = folder / "etc"
        self._etc.mkdir()
        for name in ("passwd", "group", "hosts", "resolv.conf", "nsswitch.conf", "localtime"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), self._etc / name)

    @property
    def managed(self) -> Path:
        """The folder of managed settings."""
        return self._etc / "claude-code"

    def user(self, daemon: Daemon) -> ClaudeCode:
        """Make a user of the client here."""
        wrapper = self._folder / "claude"
        command = {"unshare": " ".join(UNSHARE), "etc": self._etc, "program": self._program}
        wrapper.write_text(WRAPPER.format(**command))
        wrapper.chmod(0o755)
        return ClaudeCode(reactor=self._reactor, program=wrapper, folder=self._folder / "user", url=daemon.url)

    async def bridge(self, *arguments: str) -> str:
        """Run `claude-bridge` here and return what it prints."""
        inner = ["sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(self._etc)]
        command = [*UNSHARE, *inner, sys.executable, "-m", "claude_bridge.cli", *arguments]
        environ = {"HOME": str(self._folder), "PATH": os.environ["PATH"], "BACKEND_API_KEY": "key"}
        ran = await run_program(self._reactor, command, environment=environ, folder=self._folder)
        assert ran.code == 0, ran.err
        return ran.out


class PriceTests:
    """What the client says that it has cost."""

    @pytest_twisted.ensureDeferred
    async def test_same_as_the_accounts(
        self, reactor: Any, start_daemon: StartDaemon, backend: ScriptedBackend, program: Path, tmp_path: Path
    ) -> None:
        """A session with cached tokens costs the same, to a millionth of a dollar, as the bridge's accounts say."""
        backend.models = ["zai/GLM", "free"]
        daemon = await start_daemon(SECTIONS)
        machine = Machine(reactor, program, tmp_path)
        file = tmp_path / "bridge.ini"
        file.write_text(ini(backend.url, SECTIONS))
        told = await machine.bridge("setup", "--managed", "--config", str(file))
        assert "/etc/claude-code/managed-settings.d/50-claude-bridge.json: written" in told
        user = machine.user(daemon)
        backend.enqueue(calls("Bash", command="echo hi"), says("Hello.", usage=USAGE))
        turn = await user.turn("Hello?", "--model", "glm@claude-bridge", *("--allowedTools", ALLOWED[1]))
        assert turn.answer == "Hello."
        (used,) = turn.result["modelUsage"].values()
        assert used["costBasis"] == "managed"
        await requests_in(reactor, file_of(daemon), 2)
        document = json.loads(await usage(reactor, daemon, "session", turn.session, "--json"))
        cost = Decimal(str(document["total"]["cost_usd"]))
        assert cost > Decimal("0.003")
        assert abs(Decimal(str(turn.result["total_cost_usd"])) - cost) < Decimal("0.000001")

    @pytest_twisted.ensureDeferred
    async def test_free(
        self, reactor: Any, start_daemon: StartDaemon, backend: ScriptedBackend, program: Path, tmp_path: Path
    ) -> None:
        """A model on one's own machine costs nothing, under the name that people type too."""
        backend.models = ["zai/GLM", "free"]
        daemon = await start_daemon(SECTIONS)
        machine = Machine(reactor, program, tmp_path)
        file = tmp_path / "bridge.ini"
        file.write_text(ini(backend.url, SECTIONS))
        await machine.bridge("setup", "--managed", "--config", str(file))
        backend.enqueue(says("Hello.", usage=USAGE))
        turn = await machine.user(daemon).turn("Hello?", "--model", "free")
        assert turn.result["total_cost_usd"] == 0
        (used,) = turn.result["modelUsage"].values()
        assert used["costBasis"] == "managed"

    @pytest_twisted.ensureDeferred
    async def test_undo(self, reactor: Any, backend: ScriptedBackend, program: Path, tmp_path: Path) -> None:
        """Settings of the organization stay, whatever is written and taken back beside them."""
        machine = Machine(reactor, program, tmp_path)
        (machine.managed / "managed-settings.d").mkdir(parents=True)
        theirs = machine.managed / "managed-settings.d" / "10-theirs.json"
        theirs.write_text("{}")
        file = tmp_path / "bridge.ini"
        file.write_text(ini(backend.url, SECTIONS))
        await machine.bridge("setup", "--managed", "--config", str(file))
        assert len([*theirs.parent.iterdir()]) == 2
        assert "removed " in await machine.bridge("undo", "--managed")
        assert [*theirs.parent.iterdir()] == [theirs]
