"""The real llama.cpp with a real small model, in a child process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from claude_bridge.demo import model_server
from claude_bridge.demo.packages import Terminal, find_or_install
from tests.end_to_end.claude_code import CACHE
from tests.end_to_end.processes import Watched, killed_late

MODEL = model_server.ALIAS

START_SECONDS = 60.0
"""Limit for reading 100 MB of model from a cold disk."""

HERE = Path(__file__).parent
CHILD = HERE / "llama_child.py"
DEMO = ("-m", "claude_bridge.demo.model_server")
"""The demonstration's own server: the model's own template, and a window of 8,192 tokens."""

TOOLS = HERE / "templates" / "tools.jinja"
THINKING = HERE / "templates" / "thinking.jinja"


@define(eq=False)
class LlamaServer(Watched):
    """A running server; it ends when its standard input closes.

    :ivar url: its base URL, once it has been announced.
    """

    announced: Deferred[str] = field(factory=Deferred, init=False)
    url: str = field(default="", init=False)

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Look for the address."""
        super().outReceived(data)
        found = re.search(rb"^listening (http://\S+)\n", self.out, re.MULTILINE)
        if found and not self.url:
            self.url = found[1].decode()
            self.announced.callback(self.url)

    async def stop(self, reactor: Any) -> None:
        """End it."""
        process: Any = self.transport
        process.closeStdin()
        await killed_late(reactor, self, 10)


async def start_llama(reactor: Any, arguments: Sequence[str]) -> LlamaServer:
    """Start a Python with these arguments that announces a model server, and wait until it listens."""
    environ: Mapping[str, str] = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    wheels = find_or_install(environ, Terminal(say=lambda _line: None))
    server = LlamaServer()
    command = [sys.executable, "-P", *arguments]
    reactor.spawnProcess(server, command[0], command, env={**environ, "PYTHONPATH": str(wheels)})
    await server.announced.addTimeout(START_SECONDS, reactor)
    return server


async def serve(reactor: Any, window: int, template: Path | None = None) -> LlamaServer:
    """Start llama.cpp with a context window of so many tokens and a chat template, or the model's own one."""
    return await start_llama(reactor, [str(CHILD), str(window), *([str(template)] if template else [])])
