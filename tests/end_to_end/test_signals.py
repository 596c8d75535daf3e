"""Signals to the real daemon."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS
from tests.end_to_end.asking import ANSWER, FULL, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.processes import killed_late

HANGING = Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Stall()))


class SignalTests:
    """SIGTERM and SIGINT once and twice, SIGHUP, and those that mean nothing."""

    @pytest.mark.parametrize(("first", "second"), [("TERM", "TERM"), ("TERM", "INT"), ("INT", "INT")])
    @pytest_twisted.ensureDeferred
    async def test_impatience(
        self, backend: ScriptedBackend, reactor: Any, tmp_path: Path, first: str, second: str
    ) -> None:
        """The first signal says what it waits for and how long at most; the second ends at once, without a fault."""
        daemon = Daemon(reactor=reactor, folder=tmp_path)
        await daemon.start(ini(backend.url))
        backend.enqueue(HANGING)
        hanging = await client_of(reactor, daemon).send("POST", MESSAGES, FULL)
        daemon.process.signal(first)
        stopping = await daemon.wait_for("stopping")
        assert "under way: 1, given 60 s at most" in stopping["message"]
        asked = reactor.seconds()
        daemon.process.signal(second)
        await hanging.ended()
        ends = {0, -getattr(signal, f"SIG{first}")}
        assert await killed_late(reactor, daemon.process, 20) in ends
        assert reactor.seconds() - asked < 5
        assert [line["outcome"] for line in daemon.events("request")] == ["client_left"]
        (gave_up,) = daemon.events("stopping-at-once")
        assert gave_up["active"] == 1
        assert not [line for line in daemon.lines if "traceback" in line]

    @pytest_twisted.ensureDeferred
    async def test_hang_up(self, daemon: Daemon, client: Client) -> None:
        """SIGHUP ends nothing; the log says what came of reading the configuration again."""
        daemon.process.signal("HUP")
        told = await daemon.wait_for("reloaded")
        assert told["changed"] == "nothing"
        assert (await client.get("/health")).status == 200

    @pytest_twisted.ensureDeferred
    async def test_others(self, daemon: Daemon, client: Client) -> None:
        """Signals that end or halt most processes leave the daemon at its work; of those with a meaning it tells."""
        told = ("USR1", "USR2", "ALRM")
        for name in (*told, "PIPE", "TTIN", "TTOU"):
            daemon.process.signal(name)
        await daemon.wait_for("signal-ignored", count=len(told))
        assert {line["signal"] for line in daemon.events("signal-ignored")} == {f"SIG{name}" for name in told}
        assert (await client.get("/health")).status == 200

    @pytest_twisted.ensureDeferred
    async def test_start(self, daemon: Daemon, tmp_path: Path) -> None:
        """The start tells where the configuration comes from and where to click, and shows no object of Python's."""
        (configured,) = daemon.events("configuration")
        (listening,) = daemon.events("listening")
        await daemon.stop()
        assert configured["source"].startswith(str(tmp_path))
        assert listening["message"].endswith(f"http://{daemon.host}:{daemon.port}")
        assert not [line for line in daemon.lines if " object at 0x" in line["message"]]
