"""The daemon with no more system calls than the service unit leaves it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from tests.end_to_end import confined
from tests.end_to_end.asking import HI, MESSAGES
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.services.documents import pdfs

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "claude-bridge.service"

pytestmark = pytest.mark.skipif(bool(confined.missing()), reason=f"needs {confined.missing()}")


def starter(folder: Path) -> Path:
    """Write a program that starts ``twistd`` under the unit's filters."""
    program = folder / "twistd"
    twistd = Path(sys.prefix) / "bin" / "twistd"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.end_to_end.confined {UNIT} {twistd} "$@"\n'
    )
    program.chmod(0o755)
    return program


def is_filtered(daemon: Daemon) -> bool:
    """Return whether the daemon's system calls are filtered."""
    process: Any = daemon.process.transport
    return "Seccomp:\t2\n" in Path(f"/proc/{process.pid}/status").read_text()


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class ConfinedTests:
    """What the service does, it can do within the unit."""

    @pytest_twisted.ensureDeferred
    async def test_answers(self, reactor: Any, backend: ScriptedBackend, tls_url: str, tmp_path: Path) -> None:
        """The daemon resolves a name, speaks TLS to the backend, reads a PDF in its process, keeps what it learned."""
        state = tmp_path / "state"
        sections = {
            "server": {"state_dir": str(state)},
            "backend:scripted": {"ca_file": str(tmp_path / "ca.pem")},
            "model:test-model": {"backend": "scripted", "pdf": "text"},
        }
        daemon = Daemon(reactor=reactor, folder=tmp_path, program=starter(tmp_path))
        await daemon.start(ini(tls_url, sections))
        backend.script = lambda _: sse(chat_stream(text="Well."))
        source = {"type": "base64", "media_type": "application/pdf", "data": pdfs.base64(pdfs.pdf("Bees dance."))}
        asked = {**HI, "messages": [{"role": "user", "content": [{"type": "document", "source": source}]}]}
        reply = await client_of(reactor, daemon).post(MESSAGES, asked)
        filtered = is_filtered(daemon)
        await daemon.finish()
        assert reply.json["content"][0]["text"] == "Well."
        assert "Bees dance." in json.dumps(backend.chats[-1].json)
        assert filtered
        assert daemon.events("document") == []


class FilterTests:
    """The filters that the other test runs under are the unit's."""

    def test_refused(self) -> None:
        """A call beyond the unit's fails with EPERM and an address family beyond them is not there; no process dies."""
        script = (
            "import os, socket\n"
            "for call in (lambda: os.setpriority(0, 0, 5), lambda: os.chroot('/'), lambda: socket.socket(16, 3)):\n"
            "    try: call()\n"
            "    except OSError as error: print(error.errno)\n"
        )
        told = subprocess.run(
            [sys.executable, "-m", confined.__name__, str(UNIT), sys.executable, "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.split() == ["1", "1", "97"]
