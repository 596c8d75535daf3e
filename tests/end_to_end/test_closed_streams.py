"""The real daemon, started by somebody who closed its standard streams."""

from __future__ import annotations

import shlex
import socket
import sys
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from tests.end_to_end.asking import HI, MESSAGES
from tests.end_to_end.client import Client
from tests.end_to_end.daemon import START_SECONDS
from tests.end_to_end.processes import Watched, killed_late


def free_port() -> int:
    """Find a port: nobody can log which one it is."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def streams(pid: int) -> list[str]:
    """Return where a process's standard streams lead."""
    return [str(Path(f"/proc/{pid}/fd/{descriptor}").readlink()) for descriptor in range(3)]


async def until_it_answers(reactor: Any, client: Client) -> None:
    """Wait until the daemon is ready."""
    begun = reactor.seconds()
    while True:
        try:
            assert (await client.get("/health")).status == 200
        except ConnectError:
            assert reactor.seconds() - begun < START_SECONDS
            await deferLater(reactor, 0.1)
        else:
            return


class ClosedStreamTests:
    """``<&- >&- 2>&-``."""

    @pytest_twisted.ensureDeferred
    async def test_daemon(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """No socket takes a stream's number, where log lines would go into it, and requests are answered."""
        port = free_port()
        twistd = shlex.join([f"{sys.prefix}/bin/twistd", "--nodaemon", "--pidfile=", "claude-bridge"])
        process = Watched()
        environment = {"HOME": str(tmp_path), "BACKEND_URL": backend.url, "HOST_PORT": str(port)}
        command = ["/bin/sh", "-c", f"exec {twistd} <&- >&- 2>&-"]
        reactor.spawnProcess(process, command[0], command, env=environment, path=str(tmp_path))
        client = Client(reactor, f"http://127.0.0.1:{port}", {"x-api-key": "test-key"})
        await until_it_answers(reactor, client)
        backend.script = lambda _: sse(chat_stream(text="Well."))
        reply = await client.post(MESSAGES, HI)
        transport: Any = process.transport
        leads_to = streams(transport.pid)
        process.signal("TERM")
        assert await killed_late(reactor, process, 20) in (0, -15)
        assert reply.json["content"][0]["text"] == "Well."
        assert leads_to == ["/dev/null"] * 3
