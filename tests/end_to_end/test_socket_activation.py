"""The daemon on a socket that systemd has opened for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon, ini

ACTIVATE = """#!{python}
import os, socket, sys

one = socket.socket()
one.bind(("{address}", 0))
one.listen(5)
os.dup2(one.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {{"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}}
os.execv("{twistd}", ["{twistd}", *sys.argv[1:]])
"""
"""Does what systemd does with a socket unit."""

KEYED = {
    "server": {"listen": "systemd:domain=INET:name=http"},
    "backend:scripted": {"api_key": "the-owners-key-of-the-backend"},
}


def activated(reactor: Any, folder: Path, address: str) -> Daemon:
    """Make a daemon that is given a socket on ``address``."""
    program = folder / "activate"
    twistd = Path(sys.prefix) / "bin" / "twistd"
    program.write_text(ACTIVATE.format(python=sys.executable, address=address, twistd=twistd))
    program.chmod(0o700)
    return Daemon(reactor=reactor, folder=folder, program=program)


class SocketActivationTests:
    """``listen = systemd:``, with a key of the owner's that strangers must not spend."""

    @pytest_twisted.ensureDeferred
    async def test_local(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """A socket that only this machine can reach is served."""
        daemon = activated(reactor, tmp_path, "127.0.0.1")
        await daemon.start(ini(backend.url, KEYED))
        assert (await client_of(reactor, daemon).get("/health")).status == 200
        await daemon.finish()

    @pytest_twisted.ensureDeferred
    async def test_reload(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """A reload knows where the socket is bound, though the descriptor that was passed is closed by then."""
        daemon = activated(reactor, tmp_path, "127.0.0.1")
        await daemon.start(ini(backend.url, KEYED))
        daemon.process.signal("HUP")
        reloaded = await daemon.wait_for("reloaded")
        assert (reloaded["changed"], reloaded["needs_restart"]) == ("nothing", None)
        assert (await client_of(reactor, daemon).get("/health")).status == 200
        await daemon.finish()

    @pytest_twisted.ensureDeferred
    async def test_open(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """One that everybody can reach is refused at the start."""
        daemon = activated(reactor, tmp_path, "0.0.0.0")
        with pytest.raises(AssertionError, match="can be reached from other machines"):
            await daemon.start(ini(backend.url, KEYED))
        assert daemon.process.code == 78
