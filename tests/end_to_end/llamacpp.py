"""The real llama.cpp with a real small model, in a child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from claude_bridge.demo import model_server
from claude_bridge.demo.packages import Terminal, find_or_install
from tests.end_to_end.peers import Peer, start_peer
from tests.npm import CACHE

MODEL = model_server.ALIAS

HERE = Path(__file__).parent
CHILD = HERE / "llama_child.py"
DEMO = ("-m", "claude_bridge.demo.model_server")
"""The demonstration's own server: the model's own template, and a window of 8,192 tokens."""

TOOLS = HERE / "templates" / "tools.jinja"
THINKING = HERE / "templates" / "thinking.jinja"


async def start_llama(reactor: Any, arguments: Sequence[str]) -> Peer:
    """Start a Python with these arguments that announces a model server, and wait until it listens."""
    environ = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    wheels = find_or_install(environ, Terminal(say=lambda _line: None))
    command = [sys.executable, "-P", *arguments]
    return await start_peer(reactor, command, {**environ, "PYTHONPATH": str(wheels)}, rb"^listening (http://\S+)\n")


async def serve(reactor: Any, window: int, template: Path | None = None) -> Peer:
    """Start llama.cpp with a context window of so many tokens and a chat template, or the model's own one."""
    return await start_llama(reactor, [str(CHILD), str(window), *([str(template)] if template else [])])
